//! Nothing stays behind: what a machine counts before and after.

use std::time::Duration;

use cluster_sandbox::runtime::{PidMode, Runtime as _};
use libtest_mimic::Trial;

use crate::support::World;
use crate::test;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        test("pods_made_and_removed_leave_nothing", nothing_left),
        test("failures_leave_nothing", failures_leave_nothing),
        test("a_runtime_that_died_is_cleaned_up_after", cleaned_after),
    ]
}

/// What could be left of the Pods in one folder.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    mounts: usize,
    cgroups: usize,
    processes: usize,
    files: usize,
    descriptors: usize,
    namespaces: usize,
}

fn count(world: &World) -> Counts {
    let folder = world.folder.path().to_string_lossy().into_owned();
    let list = |path: &str| {
        std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .collect::<Vec<_>>()
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let cgroups = list("/sys/fs/cgroup")
        .iter()
        .flat_map(|entry| list(&format!("{}/cluster-sandbox-test", entry.path().display())))
        .count();
    let of_ours = |pid: &str| {
        let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&cmdline).contains(&folder)
    };
    let mut namespaces = std::collections::BTreeSet::new();
    let mut processes = 0;
    for entry in list("/proc") {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if of_ours(&pid) {
            processes += 1;
        }
        if processes > 0 && of_ours(&pid) {
            namespaces.extend(std::fs::read_link(format!("/proc/{pid}/ns/net")));
        }
    }
    let run = world.folder.path().join("pods/.run");
    let files = ["sandboxes", "containers"]
        .iter()
        .map(|name| list(&run.join(name).to_string_lossy()).len())
        .sum();
    Counts {
        mounts: mounts.lines().filter(|line| line.contains(&folder)).count(),
        cgroups,
        processes,
        files,
        descriptors: list("/proc/self/fd").len(),
        namespaces: namespaces.len(),
    }
}

/// Waits for processes and descriptors that are on their way out.
async fn settles(world: &World, before: &Counts) {
    for _ in 0..500 {
        if count(world) == *before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(count(world), *before);
}

async fn nothing_left() {
    let world = World::new().await;
    // The first Pod makes the cluster's network, which stays.
    world.script(world.container("exit 0")).await;
    let before = count(&world);
    for round in 0..3 {
        let mut sandboxes = Vec::new();
        for number in 0..4 {
            let mut pod = world.pod(&format!("p{number}"));
            pod.share_process_namespace = number == 1;
            pod.host_network = number == 2;
            let (sandbox, id) = world.run(pod, world.container("sleep 1000")).await;
            let mut visitor = world.container("sleep 1000 & sleep 1000");
            visitor.pid = PidMode::Target(id.clone());
            visitor.tty = number % 2 == 0;
            let visitor = world
                .runtime
                .create_container(&sandbox, visitor)
                .await
                .unwrap();
            world.runtime.start_container(&visitor).await.unwrap();
            world.exec(&visitor, "echo seen").await;
            sandboxes.push(sandbox);
        }
        for sandbox in sandboxes {
            if round == 1 {
                world.runtime.stop_sandbox(&sandbox).await.unwrap();
            }
            world.runtime.remove_sandbox(&sandbox).await.unwrap();
        }
        settles(&world, &before).await;
    }
    let interfaces = Counts {
        mounts: before.mounts - 1,
        ..before
    };
    world.runtime.shutdown(false).await.unwrap();
    settles(&world, &interfaces).await;
}

async fn failures_leave_nothing() {
    let world = World::new().await;
    world.script(world.container("exit 0")).await;
    let before = count(&world);
    let mut pod = world.pod("p");
    pod.sysctls
        .insert("net.no_such_thing".to_owned(), "1".to_owned());
    assert!(world.runtime.run_sandbox(pod).await.is_err());
    let sandbox = world.runtime.run_sandbox(world.pod("p")).await.unwrap();
    let mut config = world.container("exit 0");
    config.image = format!("sha256:{}", "0".repeat(64));
    assert!(
        world
            .runtime
            .create_container(&sandbox.id, config)
            .await
            .is_err()
    );
    let mut config = world.container("exit 0");
    config.security.add_capabilities = vec!["FLY".to_owned()];
    let error = world
        .runtime
        .create_container(&sandbox.id, config)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(error, "unknown capability \"CAP_FLY\"");
    let mut config = world.container("exit 0");
    config.mounts = vec![cluster_sandbox::runtime::Mount {
        host_path: "/no/such/folder".into(),
        container_path: "/v".into(),
        read_only: false,
        host_to_container: false,
    }];
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
    assert!(
        error.contains("/no/such/folder"),
        "the cause is told: {error}"
    );
    world.runtime.remove_sandbox(&sandbox.id).await.unwrap();
    settles(&world, &before).await;
    world.runtime.shutdown(false).await.unwrap();
}

async fn cleaned_after() {
    let world = World::new().await;
    let (_, id) = world
        .run(world.pod("p"), world.container("sleep 1000"))
        .await;
    let pid = world.runtime.container(&id).await.unwrap().pid.unwrap();
    let world = world.reopen().await;
    world.runtime.shutdown(false).await.unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    let counts = count(&world);
    assert_eq!(
        (counts.mounts, counts.files, counts.processes),
        (0, 0, 0),
        "{counts:?}"
    );
}
