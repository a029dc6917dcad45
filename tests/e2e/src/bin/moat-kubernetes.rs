//! A Kubernetes to play with or to test on; the tests start this program for their own.
//!
//! `moat-kubernetes up [--nodes N] [--fsync] [--moat]` runs one, with Moat's image and CRDs if asked for, until its standard input ends or Ctrl-C. Lines on standard
//! input are orders, such as `load moat.tar`, `kill apiserver` and `start apiserver`.

use std::env;
use std::io;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use moat_e2e::kube::{Kubernetes, Options, init, supervisor};

const USAGE: &str = "usage: moat-kubernetes up [--nodes N] [--fsync] [--moat]";

/// Volumes on each node.
const VOLUMES: u32 = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // Not for people: the two processes inside an instance.
        ["init", plan] => init::main(plan),
        ["supervise", plan] => supervisor::main(plan),
        ["up", ref flags @ ..] => up(flags),
        _ => bail!(USAGE),
    }
}

fn up(flags: &[&str]) -> Result<()> {
    let (mut options, mut moat) = (Options::default(), false);
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        match *flag {
            "--nodes" => options.nodes = flags.next().context(USAGE)?.parse().context(USAGE)?,
            "--fsync" => options.fsync = true,
            "--moat" => moat = true,
            _ => bail!(USAGE),
        }
    }
    let begin = Instant::now();
    let Some(kubernetes) = Kubernetes::start(&options)? else { return Ok(()) };
    println!("Kubernetes is ready after {:.1} s.", begin.elapsed().as_secs_f32());
    kubernetes.volumes(VOLUMES)?;
    if moat {
        kubernetes.crds()?;
        println!("The CRDs are applied. Building the image of Moat, some minutes the first time.");
        let image = kubernetes.moat()?;
        println!("Every node has the image {}:{} ({} bytes).", image.repository, image.tag, image.bytes);
    }
    let netns = kubernetes.netns().unwrap_or_default();
    println!("\nIn other terminals:\n");
    println!("  export KUBECONFIG={}", kubernetes.kubeconfig().display());
    println!("  export PATH={}:$PATH", kubernetes.programs().display());
    println!(
        "  nsenter --net={} bash     # the API server, pods and Services are reached from in there",
        netns.display()
    );
    println!("  kubectl get nodes\n");
    println!(
        "Orders here: load FILE | kill PART | start PART | freeze PART | thaw PART | cut NODE | heal NODE"
    );
    println!("Parts: etcd apiserver controllers scheduler kubelet-0 containerd-0 proxy-0");
    println!("Everything ends with Ctrl-C, or with the end of this program's standard input.");
    for order in io::stdin().lines() {
        match obey(&kubernetes, &order?) {
            Ok(()) => println!("ok"),
            Err(error) => println!("error: {error:#}"),
        }
    }
    Ok(())
}

fn obey(kubernetes: &Kubernetes, order: &str) -> Result<()> {
    match order.strip_prefix("load ") {
        Some(archive) => kubernetes.load_image(Path::new(archive)),
        None => kubernetes.instance().context("there is no instance")?.order(order),
    }
}
