//! What containers of a Pod share: network, IPC, host name, processes.

use cluster_sandbox::Cgroups;
use cluster_sandbox::runtime::{PidMode, Runtime as _};
use libtest_mimic::Trial;

use crate::support::World;
use crate::test;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        test(
            "an_ephemeral_container_sees_its_targets_processes_and_nobody_elses",
            target,
        ),
        test("a_target_that_is_not_running_is_refused", target_gone),
        test(
            "an_ended_visitor_leaves_no_process_in_the_target",
            target_leftovers,
        ),
        test(
            "a_shared_process_namespace_has_a_first_process_of_its_own",
            shared_processes,
        ),
        test("pods_have_addresses_and_reach_each_other", network),
        test("the_nodes_network_is_shared_if_asked", host_network),
        test("a_pod_is_made_once", once),
        test("containers_run_without_cgroups", no_cgroups),
    ]
}

const NAMESPACES: &str = "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done";

async fn target() {
    let world = World::new().await;
    let (sandbox, app) = world
        .run(
            world.pod("p"),
            world.container("exec -a the-app sleep 1000"),
        )
        .await;
    let other = world
        .runtime
        .create_container(&sandbox, world.container("exec -a the-other sleep 1000"))
        .await
        .unwrap();
    world.runtime.start_container(&other).await.unwrap();
    let mut visitor = world.container("sleep 1000");
    visitor.pid = PidMode::Target(app.clone());
    let visitor = world
        .runtime
        .create_container(&sandbox, visitor)
        .await
        .unwrap();
    world.runtime.start_container(&visitor).await.unwrap();
    let (seen, _) = world.exec(&visitor, "cat /proc/[0-9]*/cmdline").await;
    assert!(
        seen.contains("the-app") && !seen.contains("the-other"),
        "{seen:?}"
    );
    let lines = |text: String| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>();
    let (own, targets) = (
        lines(world.exec(&visitor, NAMESPACES).await.0),
        lines(world.exec(&app, NAMESPACES).await.0),
    );
    assert_eq!(
        own[..4],
        targets[..4],
        "network, IPC, UTS and PID namespaces are shared"
    );
    assert_ne!(own[4], targets[4], "the mount namespace is not");
    assert_eq!(
        world
            .exec(&visitor, "kill -0 1 && readlink /proc/1/root")
            .await,
        ("/\n".to_owned(), 0)
    );
    world
        .runtime
        .stop_container(&visitor, std::time::Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(world.exec(&app, "echo goes on").await.0, "goes on\n");
    world.runtime.shutdown(false).await.unwrap();
}

async fn target_gone() {
    let world = World::new().await;
    let (sandbox, app) = world.run(world.pod("p"), world.container("exit 0")).await;
    world.ended(&app).await;
    let mut visitor = world.container("sleep 1000");
    visitor.pid = PidMode::Target(app.clone());
    let error = world
        .runtime
        .create_container(&sandbox, visitor.clone())
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(error, format!("target container {app} is not running"));
    visitor.pid = PidMode::Target("0".repeat(64));
    assert!(
        world
            .runtime
            .create_container(&sandbox, visitor)
            .await
            .is_err()
    );
    world.runtime.shutdown(false).await.unwrap();
}

async fn target_leftovers() {
    for cgroups in [Cgroups::Detected, Cgroups::Off] {
        let world = World::with(cgroups).await;
        let (sandbox, app) = world
            .run(world.pod("p"), world.container("sleep 1000"))
            .await;
        let mut visitor =
            world.container("(exec -a left-behind sleep 1000 >/dev/null 2>&1) & exit 0");
        visitor.pid = PidMode::Target(app.clone());
        let visitor = world
            .runtime
            .create_container(&sandbox, visitor)
            .await
            .unwrap();
        world.runtime.start_container(&visitor).await.unwrap();
        world.ended(&visitor).await;
        let (seen, _) = world.exec(&app, "cat /proc/[0-9]*/cmdline").await;
        assert!(!seen.contains("left-behind"), "{cgroups:?}: {seen:?}");
        world.runtime.shutdown(false).await.unwrap();
    }
}

async fn shared_processes() {
    let world = World::new().await;
    let mut pod = world.pod("p");
    pod.share_process_namespace = true;
    let mut config = world.container("exec -a the-app sleep 1000");
    config.pid = PidMode::Pod;
    let (sandbox, app) = world.run(pod, config.clone()).await;
    "sleep 1000".clone_into(&mut config.command[2]);
    let second = world
        .runtime
        .create_container(&sandbox, config)
        .await
        .unwrap();
    world.runtime.start_container(&second).await.unwrap();
    let (seen, _) = world
        .exec(
            &second,
            "cat /proc/[0-9]*/cmdline; echo; kill -0 1; readlink /proc/1/root; ls /proc/1/fd",
        )
        .await;
    assert!(seen.contains("the-app"), "{seen:?}");
    world
        .runtime
        .stop_container(&app, std::time::Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(world.exec(&second, "echo goes on").await.0, "goes on\n");
    assert_eq!(
        world.runtime.containers().await.unwrap().len(),
        2,
        "the first process is not shown"
    );
    let world = world.reopen().await;
    assert_eq!(world.exec(&second, "echo again").await.0, "again\n");
    world.runtime.shutdown(false).await.unwrap();
}

async fn network() {
    let world = World::new().await;
    let (sandbox, server) = world
        .run(world.pod("a"), world.container("sleep 1000"))
        .await;
    let (_, client) = world
        .run(world.pod("b"), world.container("sleep 1000"))
        .await;
    let sandboxes = world.runtime.sandboxes().await.unwrap();
    let address = sandboxes
        .iter()
        .find(|found| found.id == sandbox)
        .unwrap()
        .ip
        .unwrap();
    let (refused, _) = world
        .exec(&client, &format!("echo > /dev/tcp/{address}/9"))
        .await;
    assert!(
        refused.contains("Connection refused"),
        "an answer comes from the other Pod: {refused}"
    );
    let (loopback, _) = world.exec(&server, "echo > /dev/tcp/127.0.0.1/9").await;
    assert!(loopback.contains("Connection refused"), "{loopback}");
    let limit = std::time::Duration::from_secs(5);
    let dialed = world
        .runtime
        .dial(&sandbox, std::net::SocketAddr::new(address, 9), limit)
        .await;
    assert_eq!(
        dialed.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    world.runtime.shutdown(false).await.unwrap();
}

async fn host_network() {
    let world = World::new().await;
    let mut pod = world.pod("p");
    pod.host_network = true;
    let (sandbox, id) = world.run(pod, world.container("sleep 1000")).await;
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(
        world.exec(&id, "readlink /proc/self/ns/net").await.0.trim(),
        own.to_string_lossy()
    );
    assert_eq!(
        world
            .runtime
            .sandboxes()
            .await
            .unwrap()
            .iter()
            .find(|found| found.id == sandbox)
            .unwrap()
            .ip,
        None
    );
    world.runtime.shutdown(false).await.unwrap();
}

async fn once() {
    let world = World::new().await;
    let first = world.runtime.run_sandbox(world.pod("p")).await.unwrap();
    assert_eq!(
        world.runtime.run_sandbox(world.pod("p")).await.unwrap(),
        first
    );
    let other = world.runtime.run_sandbox(world.pod("q")).await.unwrap();
    assert_ne!(other.ip, first.ip);
    world.runtime.stop_sandbox(&first.id).await.unwrap();
    world.runtime.stop_sandbox(&first.id).await.unwrap();
    assert!(
        world
            .runtime
            .create_container(&first.id, world.container("exit 0"))
            .await
            .is_err()
    );
    world.runtime.remove_sandbox(&first.id).await.unwrap();
    world.runtime.remove_sandbox(&first.id).await.unwrap();
    world.runtime.shutdown(false).await.unwrap();
}

async fn no_cgroups() {
    let world = World::with(Cgroups::Off).await;
    assert!(world.runtime.reductions()[0].contains("no writable cgroups"));
    let (log, exit) = world.script(world.container("echo fine")).await;
    assert_eq!((log.as_str(), exit.code), ("stdout F fine\n", 0));
    let (_, first) = world
        .run(world.pod("first"), world.container("sleep 1000"))
        .await;
    let (_, id) = world
        .run(world.pod("p"), world.container("sleep 1000"))
        .await;
    assert_eq!(world.exec(&id, "echo fine").await, ("fine\n".to_owned(), 0));
    assert_eq!(
        world.exec(&first, "echo fine").await,
        ("fine\n".to_owned(), 0)
    );
    // Without cgroups a helper has mounts of its own: they must not hold another Pod's file systems.
    let pid = world.runtime.container(&id).await.unwrap().pid.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let helper = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .unwrap()
        .trim();
    let mounts = std::fs::read_to_string(format!("/proc/{helper}/mountinfo")).unwrap();
    assert!(
        !mounts.contains(&*world.folder.path().to_string_lossy()),
        "{mounts}"
    );
    world.runtime.shutdown(false).await.unwrap();
}
