//! The command line.

use debug::{Ask, Command, NotSayable, Place, Profile, PullPolicy, Variable, kubectl_line, quoted};

const CART: Place<'_> = Place {
    context: None,
    namespace: "shop",
    pod: "cart",
};

fn ask() -> Ask {
    Ask {
        name: "visit-0f9d2c41".into(),
        image: "r/dbg:1".into(),
        target: Some("app".into()),
        profile: Profile::Restricted,
        stdin: true,
        tty: true,
        ..Ask::default()
    }
}

fn variable(text: &str) -> Variable {
    text.parse().unwrap()
}

#[test]
fn the_line_says_everything_that_makes_the_container() {
    let check = |change: fn(&mut Ask), expected: &str| {
        let mut ask = ask();
        change(&mut ask);
        assert_eq!(kubectl_line(CART, &ask).unwrap(), expected);
    };
    let most = "kubectl debug -n shop cart --image=r/dbg:1 --target=app -c visit-0f9d2c41";
    check(|_| {}, &format!("{most} --profile=restricted -it"));
    check(
        |a| a.command = Command::Instead(vec!["sh".into(), "-c".into(), "id; ls 'x'".into()]),
        &format!(r"{most} --profile=restricted -it -- sh -c 'id; ls '\''x'\'''"),
    );
    check(
        |a| {
            a.command = Command::Arguments(vec!["-v".into()]);
            a.tty = false;
            a.profile = Profile::General;
            a.pull_policy = Some(PullPolicy::Never);
        },
        &format!("{most} --profile=general --image-pull-policy=Never -i --arguments-only -- -v"),
    );
    check(
        |a| {
            (a.stdin, a.tty) = (false, false);
            a.env = vec![variable("A=1,2")];
        },
        &format!("{most} --profile=restricted --env=A=1,2"),
    );
    check(
        |a| a.env = vec![variable("A=b=c,\"d\"")],
        &format!("{most} --profile=restricted '--env=\"A=b=c,\"\"d\"\"\"' -it"),
    );
}

#[test]
fn the_line_names_a_context_where_one_is_needed() {
    let place = Place {
        context: Some("my cluster"),
        ..CART
    };
    let line = kubectl_line(place, &ask()).unwrap();
    assert!(
        line.starts_with("kubectl debug '--context=my cluster' -n shop cart --image="),
        "{line}"
    );
}

#[test]
fn what_kubectl_cannot_say_for_certain_is_not_said() {
    let check = |env: &[&str], expected: NotSayable| {
        let mut ask = ask();
        ask.env = env.iter().map(|text| variable(text)).collect();
        assert_eq!(kubectl_line(CART, &ask), Err(expected));
    };
    check(&["A=1", "B=2"], NotSayable::EnvOrder);
    check(&["A=x\""], NotSayable::EnvValue("A".into()));
    check(&["A=x=\r\ny"], NotSayable::EnvValue("A".into()));
}

#[test]
fn words_are_quoted_for_a_shell_and_for_a_reader() {
    let check = |word: &str, expected: &str| assert_eq!(quoted(word), expected);
    check("plain-1.2/x:y=z@", "plain-1.2/x:y=z@");
    check("", "''");
    check("a b", "'a b'");
    check("$(id)", "'$(id)'");
    check("it's", r"'it'\''s'");
    check("a\nb", r"$'a\012b'");
    check("\u{1b}[31m'\\", r"$'\033[31m\'\\'");
    check("a\u{202e}b", r"$'a\342\200\256b'");
    check("grüße", "'grüße'");
}
