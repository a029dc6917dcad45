//! The nodes' networks. Node 0 lives in the network namespace that the supervisor was started in, every further
//! node in one of its own, joined to node 0's bridge by a pair of virtual interfaces.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::kube::plan::{CONTROL_PLANE, address};
use crate::programs::run;

/// A command that runs its arguments in a node's network.
pub(super) fn enter(node: u8) -> Command {
    let mut command = Command::new(if node == 0 { "env" } else { "nsenter" });
    if node != 0 {
        // `ip netns exec` would also replace /sys, and so hide the control groups.
        command.arg(format!("--net=/run/netns/node-{node}"));
    }
    command
}

fn on(node: u8, command: &str) -> Result<()> {
    run(enter(node).args(command.split(' '))).map(drop)
}

/// Makes a node's network.
pub(super) fn add(node: u8) -> Result<()> {
    if node > 0 {
        on(0, &format!("ip netns add node-{node}"))?;
    }
    on(node, "ip link set lo up")?;
    on(node, "sysctl -qw net.ipv4.ip_forward=1")?;
    if node == 0 {
        // A bridge serves as the interface: not every kernel has the `dummy` kind.
        on(0, "ip link add node0 type bridge")?;
        on(0, &format!("ip addr add {CONTROL_PLANE}/24 dev node0"))?;
        on(0, "ip link set node0 up")?;
        // Addresses of Services need a route before iptables sees them.
        return on(0, "ip route add default dev node0");
    }
    on(0, &format!("ip link add v{node} type veth peer name eth0 netns node-{node}"))?;
    on(0, &format!("ip link set v{node} master node0 up"))?;
    on(node, &format!("ip addr add {}/24 dev eth0", address(node)))?;
    on(node, "ip link set eth0 up")?;
    on(node, &format!("ip route add default via {CONTROL_PLANE}"))?;
    on(0, &format!("ip route add 10.244.{node}.0/24 via {}", address(node)))
}

/// Cuts a node off from all others.
pub(super) fn cut(node: u8) -> Result<()> {
    ensure!(node > 0, "node 0 carries the control plane and cannot be cut off");
    on(node, "ip link set eth0 down")
}

/// Joins a node again that was cut off.
pub(super) fn heal(node: u8) -> Result<()> {
    ensure!(node > 0, "node 0 carries the control plane and cannot be cut off");
    on(node, "ip link set eth0 up")?;
    on(node, &format!("ip route replace default via {CONTROL_PLANE}"))
}
