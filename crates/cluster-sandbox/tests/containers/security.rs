//! Each gap of the container runtime that this crate closes, with a test that fails without it
//! (numbers of the measurements that found them), and the security context.

use std::path::PathBuf;

use cluster_sandbox::runtime::{ContainerConfig, Mount, Runtime as _, Seccomp};
use libtest_mimic::Trial;

use crate::support::World;
use crate::test;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        test("a1_exec_gets_the_filter_too", exec_is_filtered),
        test(
            "a2_exec_is_the_containers_user_with_its_capabilities",
            exec_is_the_user,
        ),
        test("a3_no_cgroup_of_the_node_can_be_written", no_cgroup_mount),
        test("a4_devices_cannot_be_made", no_devices),
        test(
            "a6_the_helper_program_cannot_be_changed_through_proc_self_exe",
            sealed_program,
        ),
        test("a7_no_supplementary_group_of_the_agent_arrives", no_groups),
        test(
            "a8_mounts_of_the_node_do_not_arrive_unasked",
            private_mounts,
        ),
        test("b13_signals_are_as_a_new_process_has_them", signals),
        test(
            "b14_a_user_can_open_its_own_streams_again",
            reopened_streams,
        ),
        test(
            "the_default_profile_refuses_what_containerds_does",
            filtered_calls,
        ),
        test(
            "a_profile_that_cannot_be_applied_refuses_the_container",
            unusable_profile,
        ),
        test("no_new_privs_is_set_as_asked", no_new_privs),
        test("a_read_only_root_cannot_be_written", read_only_root),
        test("proc_is_masked_unless_privileged", masked_paths),
        test("a_mount_is_read_only_if_asked", read_only_mount),
        test(
            "a_capability_that_this_node_lacks_is_refused_by_name",
            lacking_capability,
        ),
        test("memory_that_runs_out_is_told_as_oom_killed", out_of_memory),
    ]
}

const STATUS: &str = "while read line; do case $line in Uid:*|Gid:*|Groups:*|Cap*|NoNewPrivs:*|Seccomp:*) echo $line;; esac; done < /proc/self/status";

fn user(world: &World, script: &str) -> ContainerConfig {
    let mut config = world.container(script);
    (config.security.run_as_user, config.security.run_as_group) = (Some(1000), Some(1001));
    config.security.supplemental_groups = vec![7];
    config
}

async fn exec_is_filtered() {
    let world = World::new().await;
    for no_new_privileges in [true, false] {
        let mut config = user(&world, "sleep 1000");
        config.security.no_new_privileges = no_new_privileges;
        let (sandbox, id) = world.run(world.pod("p"), config).await;
        let (status, _) = world.exec(&id, STATUS).await;
        assert!(status.contains("Seccomp: 2"), "{status}");
        assert!(
            status.contains(&format!("NoNewPrivs: {}", u8::from(no_new_privileges))),
            "{status}"
        );
        world.runtime.remove_sandbox(&sandbox).await.unwrap();
    }
    world.runtime.shutdown(false).await.unwrap();
}

async fn exec_is_the_user() {
    let world = World::new().await;
    let (_, id) = world
        .run(
            world.pod("p"),
            user(&world, &format!("{STATUS}; sleep 1000")),
        )
        .await;
    world.logged("p", "Seccomp:").await;
    let first: String = world
        .log("p")
        .lines()
        .map(|line| line.trim_start_matches("stdout F ").to_owned() + "\n")
        .collect();
    let (second, _) = world.exec(&id, STATUS).await;
    assert_eq!(
        first, second,
        "the first process and an exec are the same in every right"
    );
    assert!(
        second.contains("Uid: 1000 1000 1000 1000") && second.contains("Gid: 1001 1001 1001 1001"),
        "{second}"
    );
    assert!(
        second.contains("Groups: 7 1001") && second.contains("CapEff: 0000000000000000"),
        "{second}"
    );
    world.runtime.shutdown(false).await.unwrap();
}

async fn no_cgroup_mount() {
    let world = World::new().await;
    let script = "while read a b c d target e f g kind rest; do case $kind$g in *cgroup*) echo $target $d;; esac; done < /proc/self/mountinfo; for f in /sys/fs/cgroup/*; do [ -w $f ] && touch $f/x && echo written $f; done; echo done";
    let (log, _) = world.script(world.container(script)).await;
    assert!(log.ends_with("done\n") && !log.contains("written"), "{log}");
    world.runtime.shutdown(false).await.unwrap();
}

async fn no_devices() {
    let world = World::new().await;
    let (log, _) = world
        .script(world.container("mknod /dev/x c 10 237; echo $?"))
        .await;
    assert!(
        log.contains("Operation not permitted") && log.contains("stdout F 1"),
        "{log}"
    );
    let mut config = world
        .container("mknod /tmp/x c 10 237 && (cat < /tmp/x; mknod /tmp/k c 1 11; cat < /tmp/k)");
    config.security.add_capabilities = vec!["MKNOD".to_owned()];
    let (log, _) = world.script(config).await;
    assert!(
        !log.contains("stdout"),
        "no device of the node is readable: {log}"
    );
    world.runtime.shutdown(false).await.unwrap();
}

async fn sealed_program() {
    let world = World::new().await;
    let pod = world.runtime.run_sandbox(world.pod("p")).await.unwrap();
    // Executes the program that becomes the container's process, and with it whatever it could be tricked to write to.
    let mut config = world.container("");
    config.command = vec!["/proc/self/exe".to_owned()];
    let id = world
        .runtime
        .create_container(&pod.id, config)
        .await
        .unwrap();
    let _ = world.runtime.start_container(&id).await;
    for pid in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(program) = std::fs::read_link(pid.path().join("exe")) else {
            continue;
        };
        let Ok(name) = std::fs::read(pid.path().join("cmdline")) else {
            continue;
        };
        if !name.starts_with(cluster_sandbox::HELPER_ARG0.as_bytes())
            || !name.windows(64).any(|part| part == id.as_bytes())
        {
            continue;
        }
        assert!(
            program
                .to_string_lossy()
                .starts_with("/memfd:container-helper"),
            "{}",
            program.display()
        );
        let open = std::fs::OpenOptions::new()
            .write(true)
            .open(pid.path().join("exe"));
        assert!(
            open.is_err(),
            "a helper's program cannot be opened for writing while it runs"
        );
    }
    let own = std::fs::metadata("/proc/self/exe").unwrap();
    world.runtime.shutdown(false).await.unwrap();
    assert_eq!(
        own.len(),
        std::fs::metadata("/proc/self/exe").unwrap().len()
    );
}

async fn no_groups() {
    // The agent itself is given groups, on a thread of its own where the runtime is opened and used.
    let groups = [27, 44].map(rustix::process::Gid::from_raw);
    let thread = std::thread::spawn(move || {
        rustix::thread::set_thread_groups(&groups).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let (log, _) = world.script(world.container("id -G")).await;
            assert_eq!(log, "stdout F 0\n");
            world.runtime.shutdown(false).await.unwrap();
        });
    });
    thread.join().unwrap();
}

async fn private_mounts() {
    let world = World::new().await;
    let source = world.folder.path().join("volume");
    std::fs::create_dir_all(source.join("below")).unwrap();
    let mut config = world.container("echo up; sleep 1000");
    let mount = Mount {
        host_path: source.clone(),
        container_path: PathBuf::from("/v"),
        read_only: false,
        host_to_container: false,
    };
    config.mounts = vec![mount];
    let (_, id) = world.run(world.pod("p"), config).await;
    rustix::mount::mount(
        "none",
        source.join("below"),
        "tmpfs",
        rustix::mount::MountFlags::empty(),
        c"size=4k",
    )
    .unwrap();
    std::fs::File::create(source.join("below/late")).unwrap();
    let (seen, _) = world.exec(&id, "ls /v/below").await;
    rustix::mount::unmount(source.join("below"), rustix::mount::UnmountFlags::DETACH).unwrap();
    assert_eq!(seen, "");
    world.runtime.shutdown(false).await.unwrap();
}

async fn signals() {
    let world = World::new().await;
    let mut config = world.container("");
    config.command = ["cat", "/proc/self/status"].map(str::to_owned).to_vec();
    let (log, _) = world.script(config).await;
    for name in ["SigBlk:", "SigIgn:"] {
        assert!(
            log.lines()
                .any(|line| line.contains(name) && line.ends_with("0000000000000000")),
            "{log}"
        );
    }
    let (_, id) = world
        .run(world.pod("q"), world.container("sleep 1000"))
        .await;
    let (status, _) = world.exec(&id, "exec cat /proc/self/status").await;
    assert!(status.contains("SigIgn:\t0000000000000000"), "{status}");
    world.runtime.shutdown(false).await.unwrap();
}

async fn reopened_streams() {
    let world = World::new().await;
    let (log, _) = world
        .script(user(
            &world,
            "echo again > /dev/stdout; echo too > /dev/stderr",
        ))
        .await;
    assert!(
        log.contains("stdout F again\n") && log.contains("stderr F too\n"),
        "{log}"
    );
    let mut config = user(&world, "echo again > /dev/console; stat -c %u $(tty)");
    config.tty = true;
    let (log, _) = world.script(config).await;
    assert!(log.contains("again") && log.contains("1000"), "{log}");
    world.runtime.shutdown(false).await.unwrap();
}

async fn filtered_calls() {
    let world = World::new().await;
    // `bash` has no system calls of its own to spare: the personality call of the loader's neighbour will do.
    let (log, _) = world.script(world.container(STATUS)).await;
    assert!(log.contains("Seccomp: 2"), "{log}");
    let mut config = world.container(STATUS);
    config.security.seccomp = Seccomp::Unconfined;
    let (log, _) = world.script(config).await;
    assert!(log.contains("Seccomp: 0"), "{log}");
    world.runtime.shutdown(false).await.unwrap();
}

async fn unusable_profile() {
    let world = World::new().await;
    let sandbox = world.runtime.run_sandbox(world.pod("p")).await.unwrap();
    let path = world.folder.path().join("profile.json");
    let mut config = world.container("exit 0");
    config.security.seccomp = Seccomp::Localhost(path.clone());
    let error = world
        .runtime
        .create_container(&sandbox.id, config.clone())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("cannot be read"), "{error}");
    for (profile, words) in [
        (r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#, "SCMP_ACT_NOTIFY"),
        ("nonsense", "cannot be applied"),
    ] {
        std::io::Write::write_all(
            &mut std::fs::File::create(&path).unwrap(),
            profile.as_bytes(),
        )
        .unwrap();
        let error = world
            .runtime
            .create_container(&sandbox.id, config.clone())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    }
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}"#;
    std::io::Write::write_all(
        &mut std::fs::File::create(&path).unwrap(),
        profile.as_bytes(),
    )
    .unwrap();
    let id = world
        .runtime
        .create_container(&sandbox.id, config)
        .await
        .unwrap();
    world.runtime.start_container(&id).await.unwrap();
    assert_eq!(world.ended(&id).await.code, 0);
    world.runtime.shutdown(false).await.unwrap();
}

async fn no_new_privs() {
    let world = World::new().await;
    for asked in [true, false] {
        let mut config = user(&world, STATUS);
        config.security.no_new_privileges = asked;
        let (log, _) = world.script(config).await;
        assert!(
            log.contains(&format!("NoNewPrivs: {}", u8::from(asked))) && log.contains("Seccomp: 2"),
            "{log}"
        );
    }
    world.runtime.shutdown(false).await.unwrap();
}

async fn read_only_root() {
    let world = World::new().await;
    let mut config = world.container("touch /x; touch /tmp/x; touch /dev/shm/x && echo shm");
    config.security.read_only_root = true;
    let (log, _) = world.script(config).await;
    assert!(
        log.contains("/x': Read-only file system") && log.contains("stdout F shm"),
        "{log}"
    );
    world.runtime.shutdown(false).await.unwrap();
}

async fn masked_paths() {
    let world = World::new().await;
    let script = "head -c 1 /proc/keys; ls /sys/firmware; echo 0 > /proc/sys/kernel/printk";
    let (log, _) = world.script(world.container(script)).await;
    assert!(
        !log.contains("stdout") && log.contains("printk: Read-only file system"),
        "{log}"
    );
    let mut config =
        world.container("ls -d /dev/null /dev/kmsg; [ -w /proc/sys/kernel/printk ] && echo open");
    config.security.privileged = true;
    let (log, exit) = world.script(config).await;
    assert!(log.contains("stdout F open"), "{exit:?} {log}");
    world.runtime.shutdown(false).await.unwrap();
}

async fn read_only_mount() {
    let world = World::new().await;
    let source = world.folder.path().join("volume");
    std::fs::create_dir_all(&source).unwrap();
    std::io::Write::write_all(
        &mut std::fs::File::create(source.join("file")).unwrap(),
        b"text\n",
    )
    .unwrap();
    let mut config = world.container("cat /v/file /etc/one; touch /v/new; echo x > /etc/one");
    let mount = |host: PathBuf, container: &str| Mount {
        host_path: host,
        container_path: PathBuf::from(container),
        read_only: true,
        host_to_container: false,
    };
    config.mounts = vec![
        mount(source.clone(), "/v"),
        mount(source.join("file"), "/etc/one"),
    ];
    let (log, _) = world.script(config).await;
    assert_eq!(log.matches("stdout F text\n").count(), 2, "{log}");
    assert_eq!(log.matches("Read-only file system").count(), 2, "{log}");
    world.runtime.shutdown(false).await.unwrap();
}

async fn lacking_capability() {
    let world = World::new().await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let held = status
        .lines()
        .find_map(|line| line.strip_prefix("CapPrm:"))
        .unwrap();
    let has_resource = u64::from_str_radix(held.trim(), 16).unwrap() & (1 << 24) != 0;
    let sandbox = world.runtime.run_sandbox(world.pod("p")).await.unwrap();
    let mut config = world.container("exit 0");
    config.security.add_capabilities = vec!["SYS_RESOURCE".to_owned()];
    let made = world.runtime.create_container(&sandbox.id, config).await;
    assert_eq!(made.is_ok(), has_resource);
    if let Err(error) = made {
        assert!(error.to_string().contains("SYS_RESOURCE"), "{error}");
    }
    let mut config =
        world.container("while read line; do echo $line; done < /proc/self/oom_score_adj");
    config.resources.oom_score_adj = -999;
    let (_, exit) = world.script(config).await;
    assert_eq!(
        exit.code, 0,
        "a score that may not be set is raised to what may"
    );
    world.runtime.shutdown(false).await.unwrap();
}

async fn out_of_memory() {
    let world = World::new().await;
    let limited = !world
        .runtime
        .reductions()
        .iter()
        .any(|words| words.contains("cgroup"));
    let mut config = world.container("x=a; while :; do x=$x$x; done");
    config.resources.memory_limit = Some(32 << 20);
    if limited {
        let (_, exit) = world.script(config).await;
        assert_eq!((exit.code, exit.reason.as_str()), (137, "OOMKilled"));
    }
    world.runtime.shutdown(false).await.unwrap();
}
