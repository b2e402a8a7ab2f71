//! Exec and attach: pipes, terminals, several clients, sizes, exit codes.

use cluster_sandbox::runtime::{Runtime as _, StreamOptions, TerminalSize};
use libtest_mimic::Trial;
use tokio::io::AsyncWriteExt as _;

use crate::support::{World, finish, read_until, text};
use crate::test;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        test("exec_passes_streams_and_the_exit_code", exec),
        test(
            "exec_with_a_terminal_has_one_that_can_be_resized",
            exec_terminal,
        ),
        test("exec_of_what_is_not_there_says_so", exec_not_found),
        test("megabytes_pass_through_exec_unchanged", exec_bulk),
        test("several_clients_attach_to_one_container", attach_several),
        test("attach_with_a_terminal_is_usable", attach_terminal),
        test(
            "input_stays_open_unless_it_was_to_be_given_once",
            attach_stdin_once,
        ),
    ]
}

const ALL: StreamOptions = StreamOptions {
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
};
const TERMINAL: StreamOptions = StreamOptions {
    tty: true,
    stderr: false,
    ..ALL
};

fn bash(script: &str) -> Vec<String> {
    ["bash", "-c", script].map(str::to_owned).to_vec()
}

async fn exec() {
    let world = World::new().await;
    let (_, id) = world
        .run(world.pod("p"), world.container("sleep 1000"))
        .await;
    let mut streams = world
        .runtime
        .exec(&id, bash("cat; echo err >&2; exit 9"), ALL)
        .await
        .unwrap();
    streams
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"through\n")
        .await
        .unwrap();
    assert_eq!(finish(streams).await, ("through\nerr\n".to_owned(), 9));
    assert_eq!(world.exec(&id, "kill -9 $BASHPID").await.1, 137);
    world.runtime.shutdown(false).await.unwrap();
}

async fn exec_terminal() {
    let world = World::new().await;
    let (_, id) = world
        .run(world.pod("p"), world.container("sleep 1000"))
        .await;
    let mut streams = world
        .runtime
        .exec(
            &id,
            bash("tty; read line; stty size; echo $TERM $line; exit 4"),
            TERMINAL,
        )
        .await
        .unwrap();
    let mut output = streams.stdout.take().unwrap();
    assert!(read_until(&mut *output, "\r\n").await.contains("/dev/pts/"));
    streams
        .resize
        .as_ref()
        .unwrap()
        .send(TerminalSize {
            width: 123,
            height: 45,
        })
        .await
        .unwrap();
    // The size is set by another task: it is there before the line that is sent after it was taken.
    while streams.resize.as_ref().unwrap().capacity() < 4 {
        tokio::task::yield_now().await;
    }
    streams
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"typed\n")
        .await
        .unwrap();
    let rest = text(Some(output)).await;
    assert!(
        rest.contains("45 123\r\n") && rest.contains("xterm typed\r\n"),
        "{rest:?}"
    );
    assert_eq!(streams.exit.await.unwrap(), 4);
    world.runtime.shutdown(false).await.unwrap();
}

async fn exec_not_found() {
    let world = World::new().await;
    let (_, id) = world
        .run(world.pod("p"), world.container("sleep 1000"))
        .await;
    for options in [ALL, TERMINAL] {
        let error = world
            .runtime
            .exec(&id, vec!["nope".to_owned()], options)
            .await
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "failed to exec in the container: exec: \"nope\": executable file not found in $PATH"
        );
        let error = world
            .runtime
            .exec(&id, vec!["/etc/passwd".to_owned()], options)
            .await
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("exec: \"/etc/passwd\": Permission denied"),
            "{error}"
        );
    }
    assert_eq!(world.exec(&id, "echo fine").await, ("fine\n".to_owned(), 0));
    world.runtime.shutdown(false).await.unwrap();
}

async fn exec_bulk() {
    let world = World::new().await;
    let (_, id) = world
        .run(world.pod("p"), world.container("sleep 1000"))
        .await;
    let mut streams = world.runtime.exec(&id, bash("cat"), ALL).await.unwrap();
    let sent: Vec<u8> = (0..3_000_000_u32)
        .map(|number| u8::try_from(number % 251).unwrap())
        .collect();
    let mut input = streams.stdin.take().unwrap();
    let mut output = streams.stdout.take().unwrap();
    let copy = sent.clone();
    let writing = tokio::spawn(async move { input.write_all(&copy).await });
    let mut received = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut output, &mut received)
        .await
        .unwrap();
    writing.await.unwrap().unwrap();
    assert!(
        received == sent,
        "{} of {} bytes",
        received.len(),
        sent.len()
    );
    assert_eq!(streams.exit.await.unwrap(), 0);
    world.runtime.shutdown(false).await.unwrap();
}

async fn attach_several() {
    let world = World::new().await;
    let mut config = world.container("echo before; read a; echo got $a; echo err >&2; exit 6");
    config.stdin = true;
    let (_, id) = world.run(world.pod("p"), config).await;
    world.logged("p", "before").await;
    let mut first = world.runtime.attach(&id, ALL).await.unwrap();
    let second = world
        .runtime
        .attach(
            &id,
            StreamOptions {
                stdin: false,
                ..ALL
            },
        )
        .await
        .unwrap();
    first
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"input\n")
        .await
        .unwrap();
    assert_eq!(
        finish(first).await,
        ("got input\nerr\n".to_owned(), 6),
        "output from before is not replayed"
    );
    assert_eq!(finish(second).await, ("got input\nerr\n".to_owned(), 6));
    assert!(
        world.runtime.attach(&id, ALL).await.is_err(),
        "an ended container has no streams"
    );
    world.runtime.shutdown(false).await.unwrap();
}

/// Types until the shell has answered with `wanted` before a prompt: what is typed at the wrong moment is lost.
async fn until(
    input: &mut (dyn tokio::io::AsyncWrite + Send + Unpin),
    output: &mut (dyn tokio::io::AsyncRead + Send + Unpin),
    typed: &[u8],
    wanted: &str,
) {
    let second = std::time::Duration::from_secs(1);
    loop {
        input.write_all(typed).await.unwrap();
        let seen = tokio::time::timeout(second, read_until(output, "ready> ")).await;
        if seen.is_ok_and(|seen| seen.contains(wanted)) {
            return;
        }
    }
}

async fn attach_terminal() {
    let world = World::new().await;
    let mut config = world.container("");
    config.command = ["bash", "--norc", "--noprofile", "-i"]
        .map(str::to_owned)
        .to_vec();
    (config.stdin, config.tty) = (true, true);
    config.env = vec![("PS1".to_owned(), "ready> ".to_owned())];
    let (_, id) = world.run(world.pod("p"), config).await;
    let mut streams = world.runtime.attach(&id, TERMINAL).await.unwrap();
    let (mut input, mut output) = (
        streams.stdin.take().unwrap(),
        streams.stdout.take().unwrap(),
    );
    until(&mut input, &mut output, b"\n", "").await;
    streams
        .resize
        .as_ref()
        .unwrap()
        .send(TerminalSize {
            width: 90,
            height: 30,
        })
        .await
        .unwrap();
    until(&mut input, &mut output, b"stty size\n", "30 90").await;
    // Ctrl-C ends the foreground command, and the shell is there again.
    input.write_all(b"sleep 1000\n").await.unwrap();
    until(&mut input, &mut output, b"\x03", "^C").await;
    // One Ctrl-C too many would take the next line with it: first see one come through.
    until(
        &mut input,
        &mut output,
        b"echo settled $((1+1))\n",
        "settled 2",
    )
    .await;
    input.write_all(b"exit 3\n").await.unwrap();
    let _ = text(Some(output)).await;
    assert_eq!(streams.exit.await.unwrap(), 3);
    assert!(
        world.log("p").contains("stdout F "),
        "a terminal is logged, too"
    );
    world.runtime.shutdown(false).await.unwrap();
}

async fn attach_stdin_once() {
    let world = World::new().await;
    for once in [true, false] {
        let mut config = world.container("read a; echo $a; cat; echo end of input");
        (config.stdin, config.stdin_once) = (true, once);
        let (sandbox, id) = world.run(world.pod("p"), config).await;
        let mut first = world.runtime.attach(&id, ALL).await.unwrap();
        first
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"one\n")
            .await
            .unwrap();
        drop(first.stdin.take());
        let mut output = first.stdout.take().unwrap();
        if once {
            assert_eq!(text(Some(output)).await, "one\nend of input\n");
        } else {
            read_until(&mut *output, "one\n").await;
            let mut second = world.runtime.attach(&id, ALL).await.unwrap();
            second
                .stdin
                .as_mut()
                .unwrap()
                .write_all(b"two\n")
                .await
                .unwrap();
            assert_eq!(read_until(&mut *output, "two\n").await, "two\n");
        }
        world.runtime.remove_sandbox(&sandbox).await.unwrap();
    }
    world.runtime.shutdown(false).await.unwrap();
}
