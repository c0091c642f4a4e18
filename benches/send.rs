//! What a viewer costs, and how long it waits: `cargo bench --bench send`.
//!
//! A replay camera gives H.264 at 2 Mbit/s and 30 fps. The viewers (str0m) run in a process of their own, so that CPU
//! time and memory are those of Lunette's send path alone: hub, lobby, peer connections, encryption, sockets.
//! `WORKERS=2` gives the runtime more than its one thread; `SECONDS_EACH=30` measures for longer.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::watcher::Watcher;
use common::{Signal, Stage};
use data_encoding::BASE64;
use lunette::trust::Point;
use serde_json::{Value, json};

fn main() {
    let workers = std::env::var("WORKERS").map_or(1, |n| n.parse().unwrap());
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap();
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--viewers") {
        let n = arguments.next().unwrap().parse().unwrap();
        return runtime().block_on(viewers(n));
    }
    let seconds = std::env::var("SECONDS_EACH").map_or(10, |s| s.parse().unwrap());
    println!("{:>8} {:>22} {:>16} {:>10}", "viewers", "CPU ms/viewer-second", "KiB/viewer", "Mbit/s");
    for n in [1, 10, 50] {
        runtime().block_on(cost(n, Duration::from_secs(seconds)));
    }
    runtime().block_on(joins(30));
    for n in [1, 10] {
        runtime().block_on(latency(n, Duration::from_secs(seconds)));
    }
}

/// CPU and memory with `n` viewers.
async fn cost(n: usize, time: Duration) {
    let stage = Stage::open(n as u16 + 1).await;
    // One viewer has been here before: what is made once is not counted.
    {
        let mut first = Watcher::join(stage.signal()).await;
        first.until("a picture", |w| !w.pictures.is_empty()).await;
        first.bye();
    }
    while stage.hub.viewers() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let idle = common::resident_bytes();
    let mut child = spawn_viewers(n, &stage);
    child.wait_until_watching().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (cpu, start) = (cpu_time(), Instant::now());
    tokio::time::sleep(time).await;
    let (cpu, elapsed) = (cpu_time() - cpu, start.elapsed().as_secs_f64());
    let memory = common::resident_bytes().saturating_sub(idle) / 1024 / n as u64;
    let rate = 30.0 * 7468.0 * 8.0 / 1e6;
    println!("{n:>8} {:>22.2} {memory:>16} {:>10.1}", cpu.as_secs_f64() * 1e3 / elapsed / n as f64, rate * n as f64);
    child.end();
    stage.close().await;
}

/// How a join's time is spent.
async fn joins(n: usize) {
    let stage = Stage::open(5).await;
    let mut steps: Vec<[f64; 3]> = Vec::new();
    for _ in 0..n {
        let mut watcher = Watcher::join(stage.signal()).await;
        let since = |w: &Watcher| w.offered.elapsed().as_secs_f64() * 1e3;
        watcher.until("an answer", |w| w.told("answer").is_some()).await;
        let answered = since(&watcher);
        watcher.until("a connection", |w| w.connected).await;
        let connected = since(&watcher);
        watcher.until("a picture", |w| !w.pictures.is_empty()).await;
        steps.push([answered, connected - answered, since(&watcher) - connected]);
        watcher.bye();
        while stage.hub.viewers() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    println!("\njoin, ms after the offer (camera asleep before each), {n} joins:");
    for (i, name) in ["offer → answer", "answer → connected", "connected → first picture"].into_iter().enumerate()
    {
        println!("  {name:<28} {}", percentiles(steps.iter().map(|s| s[i]).collect()));
    }
    println!("  {:<28} {}", "in all", percentiles(steps.iter().map(|s| s.iter().sum()).collect()));
    stage.close().await;
}

/// From the moment a picture is captured till its last packet is with a viewer and it is whole.
async fn latency(n: usize, time: Duration) {
    let stage = Stage::open(n as u16).await;
    let mut tasks = Vec::new();
    for _ in 0..n {
        let mut watcher = Watcher::join(stage.signal()).await;
        watcher.until("a picture", |w| !w.pictures.is_empty()).await;
        // Each reads on while the others join: one that does not is taken for one with a weak network.
        tasks.push(tokio::spawn(async move {
            watcher.run_for(Duration::from_secs(2)).await;
            watcher.pictures.clear();
            watcher.run_for(time).await;
            watcher.pictures.iter().map(|seen| (seen.number, seen.at)).collect::<Vec<_>>()
        }));
    }
    let mut ages = Vec::new();
    for task in tasks {
        for (number, at) in task.await.unwrap() {
            let captured = number.and_then(|n| stage.replay.captured(n)).unwrap();
            ages.push((at - captured).as_secs_f64() * 1e3);
        }
    }
    println!(
        "\ncapture → whole at the viewer, ms, {n} viewers, {} pictures: {}",
        ages.len(),
        percentiles(ages.clone())
    );
    stage.close().await;
}

fn percentiles(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |p: f64| values[((values.len() - 1) as f64 * p) as usize];
    format!("p50 {:6.2}  p95 {:6.2}  p99 {:6.2}  max {:6.2}", at(0.5), at(0.95), at(0.99), at(1.0))
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // USER_HZ, 100 on every Linux.
    Duration::from_millis(ticks * 10)
}

struct Viewers {
    child: Child,
    watching: tokio::sync::oneshot::Receiver<()>,
}

impl Viewers {
    async fn wait_until_watching(&mut self) {
        tokio::time::timeout(Duration::from_secs(120), &mut self.watching).await.unwrap().unwrap();
    }

    fn end(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Starts this program again as `n` viewers; signaling goes over its standard input and output.
fn spawn_viewers(n: usize, stage: &Stage) -> Viewers {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--viewers", &n.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = Arc::new(Mutex::new(child.stdin.take().unwrap()));
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut said = stage.said();
    let (signal, keeper) = (stage.signal(), stage.keeper.clone());
    let (all_watch, watching) = tokio::sync::oneshot::channel();
    let first = json!({"camera": keeper.camera(), "challenge": BASE64.encode(&keeper.challenge())});
    writeln!(input.lock().unwrap(), "{first}").unwrap();
    tokio::spawn(async move {
        while let Ok((to, payload)) = said.recv().await {
            let line = json!({"to": to, "payload": BASE64.encode(&payload)});
            let _ = writeln!(input.lock().unwrap(), "{line}");
        }
    });
    std::thread::spawn(move || {
        let mut all_watch = Some(all_watch);
        for line in output.lines() {
            let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let bytes = |name: &str| BASE64.decode(message[name].as_str()?.as_bytes()).ok();
            if message == "watching" {
                let _ = all_watch.take().unwrap().send(());
            } else if let Some(key) = bytes("introduce") {
                common::sealed::introduce(&keeper, &Point::from_bytes(&key).unwrap());
            } else if let Some(payload) = bytes("publish") {
                signal.publish(&payload);
            }
        }
    });
    Viewers { child, watching }
}

/// The other process.
async fn viewers(n: usize) {
    let mut first = String::new();
    std::io::stdin().read_line(&mut first).unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    let bytes = |value: &Value| BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap();
    let challenge = bytes(&first["challenge"]);
    let signal = Signal::sealed(
        first["camera"].as_str().unwrap().parse().unwrap(),
        Box::new(|payload| println!("{}", json!({"publish": BASE64.encode(payload)}))),
        Box::new(move || challenge.clone()),
        Box::new(|key| println!("{}", json!({"introduce": BASE64.encode(key.bytes())}))),
    );
    let deliver = signal.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            deliver.hear(line["to"].as_str().unwrap().parse().unwrap(), &bytes(&line["payload"]));
        }
        std::process::exit(0);
    });
    let mut tasks = Vec::new();
    for _ in 0..n {
        let mut watcher = Watcher::join(signal.clone()).await;
        watcher.keep = false;
        watcher.until("a picture", |w| w.count > 0).await;
        tasks.push(tokio::spawn(async move { watcher.run_for(Duration::from_secs(3600)).await }));
    }
    println!("\"watching\"");
    for task in tasks {
        task.await.unwrap();
    }
}
