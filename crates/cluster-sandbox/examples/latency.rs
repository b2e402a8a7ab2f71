//! How long a container takes from being asked for to being exec'd, and an exec in it: run as root with
//! `cargo run --release -p cluster-sandbox --example latency [ROUNDS]`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cluster_sandbox::runtime::{
    ContainerConfig, Images as _, PidMode, Resources, Runtime as _, SandboxConfig, Seccomp,
    Security, StreamOptions,
};
use cluster_sandbox::{Cgroups, HelperCommand, LocalConfig, LocalRuntime};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if args
        .next()
        .is_some_and(|name| name == cluster_sandbox::HELPER_ARG0)
    {
        return cluster_sandbox::helper_main(args);
    }
    let rounds = args
        .next()
        .and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(30);
    match tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(measure(rounds)))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("latency: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "an example's output")]
fn tell(text: &str) {
    println!("{text}");
}

#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn measure(rounds: usize) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let (helper, data_dir) = (HelperCommand::this_program(), folder.path().to_owned());
    let runtime = LocalRuntime::open(LocalConfig {
        data_dir,
        helper,
        cgroups: Cgroups::Detected,
    })
    .await?;
    let programs = ["sleep", "cat"].map(PathBuf::from);
    let store = runtime.image_store().clone();
    tokio::task::spawn_blocking(move || store.build_from_host("latency", &programs)).await??;
    let image = runtime
        .status("latency")
        .await?
        .ok_or("the image is gone")?
        .id;
    let mut times = [const { Vec::<Duration>::new() }; 4];
    for round in 0..rounds {
        let began = Instant::now();
        let sandbox = runtime.run_sandbox(pod(round, folder.path())).await?;
        times[0].push(began.elapsed());
        let app = runtime
            .create_container(&sandbox.id, container(&image, PidMode::Container))
            .await?;
        runtime.start_container(&app).await?;
        let began = Instant::now();
        let visitor = runtime
            .create_container(&sandbox.id, container(&image, PidMode::Target(app)))
            .await?;
        times[1].push(began.elapsed());
        runtime.start_container(&visitor).await?;
        times[2].push(began.elapsed());
        let began = Instant::now();
        let options = StreamOptions {
            stdin: false,
            stdout: true,
            stderr: true,
            tty: false,
        };
        let streams = runtime
            .exec(
                &visitor,
                vec!["cat".to_owned(), "/dev/null".to_owned()],
                options,
            )
            .await?;
        streams.exit.await?;
        times[3].push(began.elapsed());
        runtime.remove_sandbox(&sandbox.id).await?;
    }
    let names = [
        "sandbox",
        "ephemeral container: created",
        "ephemeral container: asked to exec'd",
        "exec of cat",
    ];
    for (name, mut times) in names.iter().zip(times) {
        times.sort();
        let at = |part: usize| {
            times
                .get(times.len() * part / 100)
                .copied()
                .unwrap_or_default()
        };
        tell(&format!(
            "{name:<38} median {:>7.1?}  p90 {:>7.1?}  max {:>7.1?}",
            at(50),
            at(90),
            times.last().copied().unwrap_or_default()
        ));
    }
    runtime.shutdown(false).await?;
    Ok(())
}

fn pod(round: usize, folder: &std::path::Path) -> SandboxConfig {
    SandboxConfig {
        name: format!("p{round}"),
        namespace: "default".to_owned(),
        uid: format!("uid-{round}"),
        hostname: "latency".to_owned(),
        host_network: false,
        host_ipc: false,
        share_process_namespace: false,
        sysctls: std::collections::BTreeMap::new(),
        log_directory: folder.join("logs"),
        cgroup_parent: Some(format!("cluster-sandbox-latency/pod{round}")),
    }
}

fn container(image: &str, pid: PidMode) -> ContainerConfig {
    ContainerConfig {
        name: "c".to_owned(),
        attempt: 0,
        image: image.to_owned(),
        command: vec!["sleep".to_owned(), "1000".to_owned()],
        args: Vec::new(),
        working_dir: String::new(),
        env: Vec::new(),
        mounts: Vec::new(),
        security: Security {
            run_as_user: None,
            run_as_group: None,
            supplemental_groups: Vec::new(),
            privileged: false,
            no_new_privileges: true,
            add_capabilities: Vec::new(),
            drop_capabilities: Vec::new(),
            read_only_root: false,
            seccomp: Seccomp::RuntimeDefault,
            unmasked_proc: false,
        },
        resources: Resources::default(),
        pid,
        stdin: false,
        stdin_once: false,
        tty: false,
        log_path: PathBuf::from("c/0.log"),
        labels: std::collections::BTreeMap::new(),
    }
}
