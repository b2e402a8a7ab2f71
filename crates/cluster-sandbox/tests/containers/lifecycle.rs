//! From create to exit: commands, users, environment, stop, failures, and a runtime that goes away.

use std::time::Duration;

use cluster_sandbox::runtime::{ContainerState, Runtime as _};
use libtest_mimic::Trial;

use crate::support::World;
use crate::test;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        test(
            "a_container_runs_and_its_output_is_its_log",
            output_is_logged,
        ),
        test("an_exit_code_is_told_as_it_was", exit_codes),
        test(
            "environment_home_and_working_directory_are_set",
            environment,
        ),
        test("a_command_that_is_not_there_is_a_start_error", not_found),
        test("a_stop_gives_grace_and_then_kills", stop),
        test("a_reopened_runtime_finds_what_runs_and_what_ended", reopen),
        test("a_helper_that_hangs_is_ended_when_the_runtime_opens", hung),
        test(
            "a_removed_image_leaves_a_running_container_its_files",
            image_in_use,
        ),
        test(
            "a_killed_helper_takes_its_container_along_and_nothing_is_claimed",
            killed_helper,
        ),
    ]
}

async fn output_is_logged() {
    let world = World::new().await;
    let (log, exit) = world
        .script(world.container("echo out; echo err >&2; printf rest"))
        .await;
    assert!(
        log.contains("stdout F out\n")
            && log.contains("stderr F err\n")
            && log.contains("stdout F rest\n"),
        "{log}"
    );
    assert_eq!((exit.code, exit.reason.as_str()), (0, "Completed"));
    world.runtime.shutdown(false).await.unwrap();
}

async fn exit_codes() {
    let world = World::new().await;
    for (script, code) in [
        ("exit 7", 7),
        ("kill -TERM $BASHPID & wait $!; exit $?", 143),
        ("exec cat /none", 1),
    ] {
        let (_, exit) = world.script(world.container(script)).await;
        assert_eq!(
            (exit.code, exit.reason.as_str()),
            (code, "Error"),
            "{script}"
        );
    }
    world.runtime.shutdown(false).await.unwrap();
}

async fn environment() {
    let world = World::new().await;
    let mut config = world.container("echo $HOME $A $HOSTNAME $PWD; hostname; id");
    config.env = vec![
        ("A".to_owned(), "1".to_owned()),
        ("A".to_owned(), "2".to_owned()),
    ];
    "/new/folder".clone_into(&mut config.working_dir);
    let (log, _) = world.script(config).await;
    assert!(log.contains("stdout F /root 2 p /new/folder\n"), "{log}");
    assert!(
        log.contains("stdout F p\n") && log.contains("uid=0(root) gid=0(root) groups=0(root)\n"),
        "{log}"
    );
    world.runtime.shutdown(false).await.unwrap();
}

async fn not_found() {
    let world = World::new().await;
    let sandbox = world.runtime.run_sandbox(world.pod("p")).await.unwrap();
    let mut config = world.container("");
    config.command = vec!["nope".to_owned()];
    let id = world
        .runtime
        .create_container(&sandbox.id, config)
        .await
        .unwrap();
    let error = world
        .runtime
        .start_container(&id)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "failed to start the container: exec: \"nope\": executable file not found in $PATH"
    );
    let ContainerState::Exited(exit) = world.runtime.container(&id).await.unwrap().state else {
        panic!("not ended")
    };
    assert_eq!(
        (exit.code, exit.reason.as_str(), exit.started_at),
        (128, "StartError", None)
    );
    assert!(
        world.runtime.start_container(&id).await.is_err(),
        "it may not be started again"
    );
    world.runtime.shutdown(false).await.unwrap();
}

async fn stop() {
    let world = World::new().await;
    let (_, polite) = world
        .run(
            world.pod("a"),
            world.container("trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done"),
        )
        .await;
    world.logged("a", "up").await;
    world
        .runtime
        .stop_container(&polite, Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(world.ended(&polite).await.code, 5);
    let (_, deaf) = world
        .run(
            world.pod("b"),
            world.container("trap '' TERM; echo up; while :; do sleep 0.01; done"),
        )
        .await;
    world.logged("b", "up").await;
    world
        .runtime
        .stop_container(&deaf, Duration::from_millis(100))
        .await
        .unwrap();
    assert_eq!(world.ended(&deaf).await.code, 137);
    world
        .runtime
        .stop_container(&deaf, Duration::ZERO)
        .await
        .unwrap();
    world.runtime.shutdown(false).await.unwrap();
}

async fn reopen() {
    let world = World::new().await;
    let (_, runs) = world
        .run(
            world.pod("a"),
            world.container("echo up; while :; do sleep 0.01; done"),
        )
        .await;
    let (_, ends) = world.run(world.pod("b"), world.container("exit 3")).await;
    let waiting = world.runtime.run_sandbox(world.pod("w")).await.unwrap();
    let created = world
        .runtime
        .create_container(&waiting.id, world.container("exit 4"))
        .await
        .unwrap();
    world.ended(&ends).await;
    let before = world.runtime.container(&runs).await.unwrap();
    let world = world.reopen().await;
    assert_eq!(world.runtime.container(&runs).await.unwrap(), before);
    assert_eq!(world.ended(&ends).await.code, 3);
    assert!(
        world
            .runtime
            .sandboxes()
            .await
            .unwrap()
            .iter()
            .all(|sandbox| sandbox.ready)
    );
    assert_eq!(
        world.exec(&runs, "echo again").await,
        ("again\n".to_owned(), 0)
    );
    world.runtime.start_container(&created).await.unwrap();
    assert_eq!(world.ended(&created).await.code, 4);
    assert!(
        world.runtime.start_container(&runs).await.is_err(),
        "nothing runs twice"
    );
    world
        .runtime
        .stop_container(&runs, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(world.ended(&runs).await.code, 137);
    world.runtime.shutdown(false).await.unwrap();
}

async fn killed_helper() {
    let world = World::new().await;
    let (_, id) = world
        .run(
            world.pod("a"),
            world.container("echo up; while :; do sleep 0.01; done"),
        )
        .await;
    let pid = world.runtime.container(&id).await.unwrap().pid.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let helper: i32 = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let mut events = world.runtime.events();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(helper).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    assert_eq!(events.recv().await.unwrap().state, ContainerState::Unknown);
    while std::path::Path::new(&format!("/proc/{pid}/ns/pid")).exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    world.runtime.shutdown(false).await.unwrap();
}

async fn hung() {
    let world = World::new().await;
    let (_, id) = world
        .run(
            world.pod("a"),
            world.container("while :; do sleep 0.01; done"),
        )
        .await;
    let first = world.runtime.container(&id).await.unwrap().pid.unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{first}/stat")).unwrap();
    let parent = stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap();
    let helper = rustix::process::Pid::from_raw(parent.parse().unwrap()).unwrap();
    rustix::process::kill_process(helper, rustix::process::Signal::STOP).unwrap();
    let world = world.reopen().await;
    assert_eq!(
        world.runtime.container(&id).await.unwrap().state,
        ContainerState::Unknown
    );
    for _ in 0..500 {
        if !std::path::Path::new(&format!("/proc/{first}")).exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!std::path::Path::new(&format!("/proc/{first}")).exists());
    world.runtime.shutdown(false).await.unwrap();
}

async fn image_in_use() {
    let world = World::new().await;
    let (_, id) = world
        .run(
            world.pod("a"),
            world.container("while :; do sleep 0.01; done"),
        )
        .await;
    let images = cluster_sandbox::images::ImageStore::open(&world.folder.path().join("images"));
    images.unwrap().remove("tools:test").unwrap();
    assert_eq!(
        world.exec(&id, "sleep 0; echo here").await,
        ("here\n".to_owned(), 0)
    );
    world.runtime.shutdown(false).await.unwrap();
}
