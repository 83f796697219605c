//! Three jobs for measuring: drain what a load source blasts, echo, or pour.
//!
//! `drain recv|echo|send N SIZE URL [--threaded] [--insecure]`
//!
//! The load source delivers N messages of SIZE octets to whoever subscribes to
//! `/blast/N/SIZE`, sends back what goes to `/echo`, and swallows what goes to
//! `/sink`.

#![expect(clippy::disallowed_methods, reason = "a measurement has a clock")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use hobnail::{Client, Handle, Message, Subscription, config::TlsOptions};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Job {
    mode: String,
    count: usize,
    size: usize,
    url: String,
    threaded: bool,
    insecure: bool,
}

fn main() -> Result<()> {
    let job = parse().ok_or("usage: drain recv|echo|send N SIZE URL [--threaded] [--insecure]")?;
    let tls = TlsOptions {
        danger_accept_invalid_certs: job.insecure,
        ..TlsOptions::default()
    };
    let client = Client::builder(&job.url)
        .tls(tls)
        .heart_beat(Duration::ZERO, Duration::ZERO)
        .reconnect(false)
        .connect()?;
    let began = Instant::now();
    if job.threaded {
        threaded(&job, &client.spawn()?)?;
    } else {
        caller_driven(&job, client)?;
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "hobnail{} {} n={} size={}: {took:.3} s, {:.0} msg/s",
        if job.threaded { " threaded" } else { "" },
        job.mode,
        job.count,
        job.size,
        job.count as f64 / took
    );
    Ok(())
}

fn parse() -> Option<Job> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| args.iter().any(|a| a == name);
    let job = Job {
        mode: args.first()?.clone(),
        count: args.get(1)?.parse().ok().filter(|n| *n > 0)?,
        size: args.get(2)?.parse().ok()?,
        url: args.get(3)?.clone(),
        threaded: flag("--threaded"),
        insecure: flag("--insecure"),
    };
    ["recv", "echo", "send"]
        .contains(&&*job.mode)
        .then_some(job)
}

/// What a consumer would at least look at.
fn touch(message: &Message) -> usize {
    message.destination().len()
        + message.subscription().len()
        + message.message_id().len()
        + message.body().len()
}

fn caller_driven(job: &Job, mut client: Client) -> Result<()> {
    let body = vec![b'x'; job.size];
    match &*job.mode {
        "recv" => {
            let blast = format!("/blast/{}/{}", job.count, job.size);
            let _all = client.subscription(blast).subscribe()?;
            let mut seen = 0;
            for _ in 0..job.count {
                seen += touch(&client.recv()?);
            }
            assert!(seen > job.count * job.size);
        }
        "echo" => {
            let _echo = client.subscription("/echo").subscribe()?;
            let mut times = Vec::with_capacity(job.count);
            for _ in 0..job.count {
                let sent = Instant::now();
                client.send("/echo").body(&body).publish()?;
                client.recv()?;
                times.push(sent.elapsed());
            }
            percentiles(times);
        }
        _ => {
            for _ in 1..job.count {
                client.send("/sink").body(&body).buffered().publish()?;
            }
            client.send("/sink").body(&body).receipt().publish()?;
        }
    }
    client.close()?;
    Ok(())
}

fn threaded(job: &Job, handle: &Handle) -> Result<()> {
    let body = vec![b'x'; job.size];
    match &*job.mode {
        "recv" => {
            let all = handle.subscribe(format!("/blast/{}/{}", job.count, job.size))?;
            let mut seen = 0;
            for _ in 0..job.count {
                seen += touch(&all.recv()?);
            }
            assert!(seen > job.count * job.size);
        }
        "echo" => {
            let echo: Subscription = handle.subscribe("/echo")?;
            let mut times = Vec::with_capacity(job.count);
            for _ in 0..job.count {
                let sent = Instant::now();
                handle.send("/echo").body(&body).publish()?;
                echo.recv()?;
                times.push(sent.elapsed());
            }
            percentiles(times);
        }
        _ => {
            for _ in 1..job.count {
                handle.send("/sink").body(&body).publish()?;
            }
            handle.send("/sink").body(&body).receipt().publish()?;
        }
    }
    handle.close()?;
    Ok(())
}

fn percentiles(mut times: Vec<Duration>) {
    times.sort();
    println!(
        "p50 {} us p99 {} us",
        times[times.len() / 2].as_micros(),
        times[times.len() * 99 / 100].as_micros()
    );
}
