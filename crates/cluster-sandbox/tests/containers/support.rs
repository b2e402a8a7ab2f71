//! A runtime in a temporary folder with an image of this machine's shell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cluster_sandbox::images::ImageStore;
use cluster_sandbox::runtime::{
    ContainerConfig, ContainerState, Exit, Images as _, PidMode, Resources, Runtime as _,
    SandboxConfig, Seccomp, Security, StreamOptions, Streams,
};
use cluster_sandbox::{Cgroups, HelperCommand, LocalConfig, LocalRuntime};
use tokio::io::{AsyncRead, AsyncReadExt as _};

pub(crate) const IMAGE: &str = "docker.io/library/tools:test";
const TOOLS: [&str; 16] = [
    "bash", "cat", "sleep", "id", "ls", "echo", "env", "hostname", "stat", "mknod", "touch",
    "kill", "tty", "stty", "head", "readlink",
];

/// The image that is built once for all tests; a static is never dropped, so `main` takes it out at the end.
static BUILT: Mutex<Option<tempfile::TempDir>> = Mutex::new(None);

/// Gives a test's store a copy of the image.
fn copy_image(to: &Path) {
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = built.get_or_insert_with(|| {
        let folder = tempfile::tempdir().unwrap();
        let tools: Vec<PathBuf> = TOOLS.iter().map(PathBuf::from).collect();
        ImageStore::open(folder.path())
            .unwrap()
            .build_from_host(IMAGE, &tools)
            .unwrap();
        folder
    });
    copy(folder.path(), to);
}

/// Removes what the tests shared.
pub(crate) fn remove_image() {
    drop(BUILT.lock().unwrap_or_else(PoisonError::into_inner).take());
}

pub(crate) struct World {
    pub(crate) runtime: Arc<LocalRuntime>,
    pub(crate) folder: Arc<tempfile::TempDir>,
    pub(crate) image: String,
    cgroups: Cgroups,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Cgroups::Detected).await
    }

    pub(crate) async fn with(cgroups: Cgroups) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        copy_image(&folder.path().join("images"));
        let runtime = open(folder.path(), cgroups).await;
        let image = runtime.status("tools:test").await.unwrap().unwrap().id;
        Self {
            runtime,
            folder,
            image,
            cgroups,
        }
    }

    /// The runtime goes and is opened again, as after `kill -9` of the agent.
    pub(crate) async fn reopen(self) -> Self {
        let Self {
            runtime,
            folder,
            image,
            cgroups,
        } = self;
        drop(runtime);
        let runtime = open(folder.path(), cgroups).await;
        Self {
            runtime,
            folder,
            image,
            cgroups,
        }
    }

    pub(crate) fn pod(&self, name: &str) -> SandboxConfig {
        SandboxConfig {
            name: name.to_owned(),
            namespace: "default".to_owned(),
            uid: format!("uid-{name}"),
            hostname: name.to_owned(),
            host_network: false,
            host_ipc: false,
            share_process_namespace: false,
            sysctls: BTreeMap::new(),
            log_directory: self.folder.path().join("logs").join(name),
            cgroup_parent: Some(format!("cluster-sandbox-test/pod-{name}")),
        }
    }

    pub(crate) fn container(&self, script: &str) -> ContainerConfig {
        ContainerConfig {
            name: "c".to_owned(),
            attempt: 0,
            image: self.image.clone(),
            command: vec!["bash".to_owned(), "-c".to_owned(), script.to_owned()],
            args: Vec::new(),
            working_dir: String::new(),
            env: Vec::new(),
            mounts: Vec::new(),
            security: security(),
            resources: Resources::default(),
            pid: PidMode::Container,
            stdin: false,
            stdin_once: false,
            tty: false,
            log_path: PathBuf::from("c/0.log"),
            labels: BTreeMap::new(),
        }
    }

    /// A Pod with one container that was started.
    pub(crate) async fn run(
        &self,
        pod: SandboxConfig,
        config: ContainerConfig,
    ) -> (String, String) {
        let sandbox = self.runtime.run_sandbox(pod).await.unwrap();
        let container = self
            .runtime
            .create_container(&sandbox.id, config)
            .await
            .unwrap();
        self.runtime.start_container(&container).await.unwrap();
        (sandbox.id, container)
    }

    /// Runs a script to its end in a Pod of its own; its log without the times, and its exit.
    pub(crate) async fn script(&self, config: ContainerConfig) -> (String, Exit) {
        let (sandbox, container) = self.run(self.pod("p"), config).await;
        let exit = self.ended(&container).await;
        let log = self.log("p");
        self.runtime.remove_sandbox(&sandbox).await.unwrap();
        let _ = std::fs::remove_dir_all(self.folder.path().join("logs/p"));
        (log, exit)
    }

    pub(crate) async fn ended(&self, container: &str) -> Exit {
        let mut events = self.runtime.events();
        loop {
            if let ContainerState::Exited(exit) =
                self.runtime.container(container).await.unwrap().state
            {
                return exit;
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), events.recv()).await;
        }
    }

    /// `<stream> <tag> <content>` of each line.
    pub(crate) fn log(&self, pod: &str) -> String {
        let text =
            std::fs::read_to_string(self.folder.path().join("logs").join(pod).join("c/0.log"))
                .unwrap_or_default();
        text.lines()
            .map(|line| line.split_once(' ').unwrap().1.to_owned() + "\n")
            .collect()
    }

    /// Waits until the log has a text.
    pub(crate) async fn logged(&self, pod: &str, text: &str) {
        while !self.log(pod).contains(text) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Runs a command in a container; its output and exit code.
    pub(crate) async fn exec(&self, container: &str, script: &str) -> (String, i32) {
        let options = StreamOptions {
            stdin: false,
            stdout: true,
            stderr: true,
            tty: false,
        };
        let command = vec!["bash".to_owned(), "-c".to_owned(), script.to_owned()];
        let streams = self
            .runtime
            .exec(container, command, options)
            .await
            .unwrap();
        finish(streams).await
    }
}

pub(crate) async fn finish(mut streams: Streams) -> (String, i32) {
    drop(streams.stdin.take());
    let output = text(streams.stdout.take()).await + &text(streams.stderr.take()).await;
    (output, streams.exit.await.unwrap())
}

pub(crate) async fn text(reader: Option<Box<dyn AsyncRead + Send + Unpin>>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut reader) = reader {
        reader.read_to_end(&mut bytes).await.unwrap();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until a text has come.
pub(crate) async fn read_until(
    reader: &mut (dyn AsyncRead + Send + Unpin),
    wanted: &str,
) -> String {
    let mut seen = String::new();
    let mut buffer = [0; 1024];
    while !seen.contains(wanted) {
        let count = reader.read(&mut buffer).await.unwrap();
        assert!(
            count > 0,
            "the stream ended after {seen:?}, before {wanted:?}"
        );
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    seen
}

pub(crate) fn security() -> Security {
    Security {
        run_as_user: None,
        run_as_group: None,
        supplemental_groups: Vec::new(),
        privileged: false,
        no_new_privileges: false,
        add_capabilities: Vec::new(),
        drop_capabilities: Vec::new(),
        read_only_root: false,
        seccomp: Seccomp::RuntimeDefault,
        unmasked_proc: false,
    }
}

async fn open(folder: &Path, cgroups: Cgroups) -> Arc<LocalRuntime> {
    let config = LocalConfig {
        data_dir: folder.to_owned(),
        helper: HelperCommand::this_program(),
        cgroups,
    };
    loop {
        match LocalRuntime::open(config.clone()).await {
            Ok(runtime) => return runtime,
            Err(cluster_sandbox::OpenError::InUse(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(from.join("."))
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success());
}
