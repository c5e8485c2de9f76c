//! What lists look at, counted, on both ways; that a page shows everybody once is held by
//! `tests/promises/lists.rs`.

use super::{Cursor, ENTRIES_PER_HOLD, Members, Order, SHOWN, Visit};
use crate::clock::Millis;
use crate::model::change::CreateChange;
use crate::model::{AppName, Change, ContentType, Handle, Keys, Life, SessionView, Tag};
use crate::store::{Store, StoreConfig};

const SHARDS: usize = 64;
const NOW: Millis = Millis(1_795_000_000_123);
const LONG_AGO: Millis = Millis(NOW.0 - 900_000);

fn store() -> Store {
    let config = StoreConfig {
        token_shards: SHARDS,
        name_shards: 4,
        max_apps: 10,
        ip_indexed_apps: Vec::new(),
    };
    Store::new(&config, Keys::new([1; 32]))
}

/// Makes so many sessions whose handles are spread as keyed hashes are.
fn fill(store: &Store, app: &str, sessions: u64, last_active: Millis) {
    let salt = app
        .bytes()
        .fold(0, |salt, byte| salt * 31 + u64::from(byte))
        << 24;
    for number in 0..sessions {
        let mixed = (salt + last_active.0 + number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let high = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        store.apply(&Change::Create(CreateChange {
            app: AppName::new(app).unwrap(),
            epoch: 0,
            tag: Tag { high, low: number },
            user: None,
            ip: Some("10.0.0.1"),
            created: last_active,
            last_active,
            lag: false,
            life: Life::ENDLESS,
            no_resave: false,
            reads: 1,
            writes: 1,
            content_type: ContentType::BYTES,
            data: b"data",
            sealed: b"",
            alias: false,
        }));
    }
}

/// What a list came to.
struct Listed {
    handles: Vec<Handle>,
    /// Looks that each page was charged.
    pages: Vec<usize>,
}

impl Listed {
    fn most(&self) -> usize {
        self.pages.iter().copied().max().unwrap()
    }
}

/// Cuts a list into pages as a door does.
fn list(store: &Store, app: &str, members: Members<'_>, room: usize) -> Listed {
    let app = store.app(AppName::new(app).unwrap()).unwrap();
    let (mut handles, mut pages, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let (mut page, mut is_full) = (Vec::new(), false);
        let mut cursor = Cursor::new(Order::Handle { after, room });
        loop {
            let before = cursor.looked;
            let mut show = |view: &SessionView<'_>| {
                is_full |= page.len() == room;
                if !is_full {
                    page.push(view.handle);
                }
            };
            let mut visit = Visit::Show(&mut show);
            let more = store.walk_members(&app, members, NOW, &mut cursor, &mut visit);
            let slice = cursor.looked - before;
            assert!(
                slice < ENTRIES_PER_HOLD + SHOWN.max(super::route::HOLD),
                "{slice}"
            );
            if is_full || !more {
                break;
            }
        }
        pages.push(cursor.looked);
        after = page.last().copied();
        handles.extend(page);
        if !is_full {
            assert!(handles.is_sorted_by(|a, b| a < b));
            return Listed { handles, pages };
        }
    }
}

const ALL: Members<'_> = Members::ActiveSince(Millis(0));

#[test]
fn list_of_an_app_that_has_the_store_looks_at_each_slot_about_once() {
    const SESSIONS: usize = 20_000;
    let store = store();
    fill(&store, "app", SESSIONS as u64, NOW);
    let shard = SESSIONS / SHARDS;
    for room in [40, 100, 1_000] {
        let listed = list(&store, "app", ALL, room);
        assert_eq!(listed.handles.len(), SESSIONS);
        // The rest of the shard that the page begins in, those that the page fills, one begun, and the
        // rest of the last slice.
        let most = (room / shard + 3) * shard * 5 / 4 + room * SHOWN + ENTRIES_PER_HOLD;
        assert!(listed.most() < most, "{} of {most}", listed.most());
    }
    let looked: usize = list(&store, "app", ALL, 1_000).pages.iter().sum();
    assert!(looked < SESSIONS * (SHOWN + 2), "{looked}");
}

#[test]
fn list_of_a_small_app_looks_at_no_other_session() {
    let store = store();
    fill(&store, "large", 20_000, NOW);
    fill(&store, "small", 200, NOW);
    let listed = list(&store, "small", ALL, 50);
    assert_eq!(listed.handles.len(), 200);
    let most = 200 + SHOWN * 50 + ENTRIES_PER_HOLD;
    assert!(listed.most() < most, "{}", listed.most());
}

#[test]
fn list_of_the_few_that_were_active_looks_at_no_other_session() {
    let store = store();
    fill(&store, "app", 20_000, LONG_AGO);
    fill(&store, "app", 200, NOW);
    let listed = list(&store, "app", Members::ActiveSince(NOW), 50);
    assert_eq!(listed.handles.len(), 200);
    let most = 200 + SHOWN * 50 + ENTRIES_PER_HOLD;
    assert!(listed.most() < most, "{}", listed.most());
}

#[test]
fn list_by_ip_without_an_index_looks_at_the_app_or_at_the_store_once_a_page() {
    let store = store();
    fill(&store, "large", 20_000, NOW);
    fill(&store, "small", 200, NOW);
    let nobody = list(&store, "large", Members::IpOfAny("10.0.0.2"), 50);
    assert_eq!(nobody.handles.len(), 0);
    assert!(nobody.most() < 21_000, "{}", nobody.most());
    let all = list(&store, "large", Members::IpOfAny("10.0.0.1"), 1_000);
    assert_eq!(all.handles.len(), 20_000);
    let looked: usize = all.pages.iter().sum();
    assert!(looked < 20_000 * (SHOWN + 2), "{looked}");
    let small = list(&store, "small", Members::IpOfAny("10.0.0.1"), 50);
    assert_eq!(small.handles.len(), 200);
    assert!(small.most() < 1_000, "{}", small.most());
}

#[test]
fn count_takes_either_way_and_counts_each_once() {
    let store = store();
    fill(&store, "large", 20_000, NOW);
    fill(&store, "small", 200, LONG_AGO);
    for (name, sessions, most) in [("large", 20_000, 21_000), ("small", 200, 500)] {
        let app = store.app(AppName::new(name).unwrap()).unwrap();
        // Entries that went stale lead to sessions that are met again.
        for slot in 0..20_200 {
            let index = std::sync::Arc::clone(&app.generation.read().unwrap().index);
            let (locked, local) = store.lock_slot(slot);
            if slot % 3 == 0 && locked.shard.living(local).is_some_and(|r| r.app == app.id) {
                index.append(1_795_000_001, slot);
            }
        }
        let (mut count, mut cursor) = (0, Cursor::new(Order::Any { after: None }));
        let mut add = |_: &SessionView<'_>| count += 1;
        let mut visit = Visit::Show(&mut add);
        while store.walk_members(&app, ALL, NOW, &mut cursor, &mut visit) {}
        assert_eq!(count, sessions);
        assert!(cursor.looked < most, "{name}: {}", cursor.looked);
    }
}
