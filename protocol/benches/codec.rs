//! What do the bytes of a GET cost, without any look-up?
//!
//! `cargo bench -p cloakroom-protocol`

use std::hint::black_box;

use cloakroom_protocol::{
    Answer, Call, Cut, Data, Get, Opcode, Receipt, Reply, Request, Session, Token, cut, limits,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Requests in one buffer, as a client 16 deep sends them.
const DEPTH: u32 = 16;

fn requests() -> Vec<u8> {
    let token = [b'A'; 64];
    let mut bytes = Vec::new();
    for id in 0..DEPTH {
        let get = Request::Get(Get::touch(Token(&token)));
        assert!(Call::new(id, get).encode(&mut bytes).is_ok());
    }
    bytes
}

fn session(data: &[u8]) -> Session<'_> {
    Session {
        receipt: Receipt {
            handle: 1,
            version: 2,
            deadline: 3,
        },
        user: "user-0000000001",
        ip: "192.0.2.1",
        data: Data(data),
        ..Session::default()
    }
}

fn replies(data: &[u8], out: &mut Vec<u8>) {
    for id in 0..DEPTH {
        Reply::new(id, Opcode::Get, Answer::Session(session(black_box(data)))).encode(out);
    }
}

fn get(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("get");
    group.throughput(Throughput::Elements(u64::from(DEPTH)));
    let bytes = requests();
    group.bench_function("decode 16 requests", |bencher| {
        bencher.iter(|| {
            let mut rest = black_box(bytes.as_slice());
            let mut count = 0;
            while let Ok(Cut::Frame(frame)) = cut(rest, limits::PAYLOAD_BYTES) {
                count += usize::from(black_box(Call::decode(&frame)).is_ok());
                rest = rest.get(frame.bytes()..).unwrap_or_default();
            }
            count
        });
    });
    for length in [60, 1_000] {
        let data = vec![b'd'; length];
        let mut out = Vec::new();
        group.bench_function(format!("encode 16 replies of {length} bytes"), |bencher| {
            bencher.iter(|| {
                out.clear();
                replies(&data, &mut out);
                out.len()
            });
        });
    }
    let mut bytes = Vec::new();
    replies(&[b'd'; 60], &mut bytes);
    group.bench_function("decode 16 replies", |bencher| {
        bencher.iter(|| {
            let mut rest = black_box(bytes.as_slice());
            let mut count = 0;
            while let Ok(Cut::Frame(frame)) = cut(rest, limits::PAYLOAD_BYTES) {
                count += usize::from(black_box(Reply::decode(&frame)).is_ok());
                rest = rest.get(frame.bytes()..).unwrap_or_default();
            }
            count
        });
    });
    group.finish();
}

criterion_group!(benches, get);
criterion_main!(benches);
