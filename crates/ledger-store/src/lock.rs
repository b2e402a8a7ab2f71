//! One writer for one folder.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::Path,
};

use crate::OpenError;

/// The hold on a folder: an advisory lock of the kernel on the file `lock`, gone with its process.
///
/// It keeps honest processes of one machine apart. Where it does not hold (some network file
/// systems), the epoch does: see `Writer::fence`.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder (making it if need be), or says who has it.
    pub(crate) fn take(folder: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io {
            path: folder.display().to_string(),
            source,
        };
        make_folder(folder).map_err(failed)?;
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                name_holder(&mut file).map_err(failed)?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::Error(source)) => Err(failed(source)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(failed)?;
                let (folder, holder) = (folder.display().to_string(), holder.trim().to_owned());
                Err(OpenError::Locked { folder, holder })
            }
        }
    }
}

fn name_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {}", std::process::id())
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    // The folder's own name is durable before anything in it is answered for.
    let parent = folder
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
