//! Addresses for Pods: one network namespace for the cluster with a bridge in it, and a pair of virtual
//! interfaces from there into each Pod. No program and no firewall of the node is touched; Pods reach
//! each other, and the node reaches them through the cluster's namespace.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use futures::TryStreamExt as _;
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth, new_connection};

use crate::namespaces::{self, enter_network, held, on_a_thread};

/// The cluster's network and the bridge's own address in it.
const NETWORK: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 0);
const PREFIX: u8 = 16;
const BRIDGE: &str = "pods";

/// The bridge's address, which is the first of the network.
pub(crate) fn gateway() -> Ipv4Addr {
    Ipv4Addr::from(u32::from(NETWORK) + 1)
}

/// The first address that no Pod has.
pub(crate) fn free_address(taken: &BTreeSet<IpAddr>) -> Option<Ipv4Addr> {
    let first = u32::from(NETWORK) + 2;
    let last = u32::from(NETWORK) + (1 << (32 - PREFIX)) - 2;
    (first..=last)
        .map(Ipv4Addr::from)
        .find(|address| !taken.contains(&IpAddr::V4(*address)))
}

fn failed(step: &'static str) -> impl FnOnce(rtnetlink::Error) -> io::Error {
    move |error| io::Error::other(format!("{step}: {error}"))
}

/// Runs netlink requests on the calling thread.
fn talk<T, F: Future<Output = io::Result<T>>>(work: impl FnOnce() -> F) -> io::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(work())
}

/// A netlink socket of the calling thread's network namespace.
fn socket() -> io::Result<Handle> {
    let (connection, handle, _) = new_connection()?;
    tokio::spawn(connection);
    Ok(handle)
}

async fn index(handle: &Handle, name: &str) -> io::Result<u32> {
    let found = handle
        .link()
        .get()
        .match_name(name.to_owned())
        .execute()
        .try_next()
        .await
        .map_err(failed("find the interface"))?;
    found
        .map(|link| link.header.index)
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

async fn up(handle: &Handle, name: &str) -> io::Result<u32> {
    let index = index(handle, name).await?;
    handle
        .link()
        .set(LinkUnspec::new_with_index(index).up().build())
        .execute()
        .await
        .map_err(failed("set the interface up"))?;
    Ok(index)
}

/// Makes the cluster's namespace and its bridge, if they are not there, in `folder`.
pub(crate) fn ensure_cluster(folder: &Path) -> io::Result<PathBuf> {
    if let Some(path) = held(folder, "net") {
        return Ok(path);
    }
    std::fs::create_dir_all(folder)?;
    namespaces::release(folder)?;
    let own = folder.to_owned();
    let made = on_a_thread(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
        talk(|| async {
            let handle = socket()?;
            up(&handle, "lo").await?;
            handle
                .link()
                .add(LinkBridge::new(BRIDGE).build())
                .execute()
                .await
                .map_err(failed("add the bridge"))?;
            let bridge = up(&handle, BRIDGE).await?;
            handle
                .address()
                .add(bridge, IpAddr::V4(gateway()), PREFIX)
                .execute()
                .await
                .map_err(failed("address the bridge"))
        })?;
        namespaces::hold(&own, "net")
    });
    if let Err(error) = made {
        let _ = namespaces::release(folder);
        return Err(error);
    }
    Ok(folder.join("net"))
}

/// Brings the loopback interface of a Pod up and connects the Pod with the bridge.
pub(crate) fn connect(
    cluster: &Path,
    pod: &Path,
    interface: &str,
    address: Ipv4Addr,
) -> io::Result<()> {
    let (cluster, pod, interface) = (cluster.to_owned(), pod.to_owned(), interface.to_owned());
    on_a_thread(move || {
        talk(|| async {
            enter_network(&pod)?;
            let inside = socket()?;
            enter_network(&cluster)?;
            let outside = socket()?;
            let pod = std::fs::File::open(&pod)?;
            let bridge = index(&outside, BRIDGE).await?;
            let pair = LinkVeth::new(&interface, "eth0");
            let mut peer = LinkUnspec::new_with_name("eth0")
                .setns_by_fd(pod.as_raw_fd())
                .build();
            peer.header.index = 0;
            let pair = pair
                .set_info_data(rtnetlink::packet_route::link::InfoData::Veth(
                    rtnetlink::packet_route::link::InfoVeth::Peer(peer),
                ))
                .controller(bridge)
                .up()
                .build();
            outside
                .link()
                .add(pair)
                .execute()
                .await
                .map_err(failed("add the interface pair"))?;
            up(&inside, "lo").await?;
            let eth0 = up(&inside, "eth0").await?;
            let address = IpAddr::V4(address);
            inside
                .address()
                .add(eth0, address, PREFIX)
                .execute()
                .await
                .map_err(failed("address the Pod"))
        })
    })
}

/// Takes a Pod's interface away. Idempotent.
pub(crate) fn disconnect(cluster: &Path, interface: &str) -> io::Result<()> {
    let (cluster, interface) = (cluster.to_owned(), interface.to_owned());
    on_a_thread(move || {
        enter_network(&cluster)?;
        talk(|| async {
            let handle = socket()?;
            let Ok(index) = index(&handle, &interface).await else {
                return Ok(());
            };
            handle
                .link()
                .del(index)
                .execute()
                .await
                .map_err(failed("remove the interface"))
        })
    })
}

/// Opens a TCP connection from inside a network namespace.
pub(crate) fn dial(
    namespace: &Path,
    address: std::net::SocketAddr,
    limit: std::time::Duration,
) -> io::Result<std::net::TcpStream> {
    let namespace = namespace.to_owned();
    on_a_thread(move || {
        enter_network(&namespace)?;
        std::net::TcpStream::connect_timeout(&address, limit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_address_is_given() {
        let taken = |last: &[u8]| {
            last.iter()
                .map(|last| IpAddr::V4(Ipv4Addr::new(10, 244, 0, *last)))
                .collect()
        };
        assert_eq!(
            free_address(&taken(&[])),
            Some(Ipv4Addr::new(10, 244, 0, 2))
        );
        assert_eq!(
            free_address(&taken(&[2, 4])),
            Some(Ipv4Addr::new(10, 244, 0, 3))
        );
    }
}
