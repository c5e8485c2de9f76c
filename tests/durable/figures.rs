//! What STATS of the binary protocol tells of durability and log, asked of the command.

use std::fs;

use cloakroom_client::{Client, ErrorCode, Figure, Write};
use tokio::runtime::{Builder, Runtime};

use crate::commanded::Running;
use crate::home::{Home, until};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn serve(home: &Home, flags: &[&str]) -> Running {
    let data = home.text("d");
    let usual = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--segment-size",
        "8MiB",
        "--data",
        &data,
    ];
    Running::start(&[&usual, flags].concat(), &[])
}

async fn connect(server: &Running) -> Client {
    let url = format!("cloakroom://{}/shop?timeout=2s", server.address());
    Client::connect(&url).await.unwrap()
}

async fn figure(client: &Client, figure: Figure) -> u64 {
    let figures = client.stats().await.unwrap();
    figures.into_iter().find(|(f, _)| *f == figure).unwrap().1
}

#[test]
fn durability_is_told_as_it_was_set() {
    let runtime = runtime();
    for (flags, durability) in [
        (&[][..], 3),
        (&["--durability", "always"], 3),
        (&["--durability", "everysec"], 2),
        (&["--durability", "os"], 1),
    ] {
        let home = Home::new();
        let server = serve(&home, flags);
        runtime.block_on(async {
            let client = connect(&server).await;
            assert_eq!(figure(&client, Figure::DURABILITY).await, durability);
            assert_eq!(figure(&client, Figure::LOG_STATE).await, 1);
            assert_eq!(figure(&client, Figure::CONNECTIONS).await, 1);
            let early = figure(&client, Figure::UPTIME).await;
            // A start takes no hour, and the time goes on.
            assert!(early < 3_600_000, "{early}");
            while figure(&client, Figure::UPTIME).await == early {}
        });
        server.stop();
    }
}

#[test]
fn log_that_cannot_be_written_is_told_until_it_has_healed() {
    let home = Home::new();
    let server = serve(&home, &["--durability", "os"]);
    let runtime = runtime();
    // Replies to creates are held back by a log that does not move; those of another connection not.
    let (writer, watcher) =
        runtime.block_on(async { (connect(&server).await, connect(&server).await) });
    let state = || runtime.block_on(figure(&watcher, Figure::LOG_STATE));
    assert_eq!(state(), 1);
    fs::rename(home.path("d"), home.path("away")).unwrap();
    let data = format!(r#"{{"x":"{}"}}"#, "y".repeat(50_000));
    until("the log takes no more", || {
        // Sooner or later there is no answer, or a refusal.
        drop(runtime.block_on(writer.create(&Write::json(&data))));
        state() != 1
    });
    let refused = runtime.block_on(watcher.create(&Write::json("{}")));
    let code = refused.unwrap_err().code().unwrap();
    // The spare segment could not be made, or could not become the next one.
    let told = [(2, ErrorCode::DiskFull), (3, ErrorCode::LogFailed)];
    assert!(told.contains(&(state(), code)), "{} {code:?}", state());
    fs::rename(home.path("away"), home.path("d")).unwrap();
    until("the log heals", || state() == 1);
    let made = runtime.block_on(writer.create(&Write::json("{}")));
    made.unwrap();
    server.stop();
}
