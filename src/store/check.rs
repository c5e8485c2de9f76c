//! `check_invariants`: every index against the sessions. For tests, and for whoever doubts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::store::apply::{names, second_of};
use crate::store::apps::{App, short};
use crate::store::directory::Directory;
use crate::store::memory::session_cost;
use crate::store::record::{NONE, Record, due_second};
use crate::store::shard::Shard;
use crate::store::time_index::TimeIndex;
use crate::store::{Store, read_locked};

/// What one living record should be found under.
struct Seen {
    slot: u32,
    record: Record,
    user: Option<String>,
    ip: Option<String>,
}

type Verdict = Result<(), String>;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

impl Store {
    /// Compares table, wheel, directories, time indexes, app counts and the ledger with the records.
    /// Takes one lock after the other, so nothing may change meanwhile.
    ///
    /// # Errors
    /// A sentence that names the first disagreement.
    pub(crate) fn check_invariants(&self) -> Verdict {
        let mut seen = Vec::new();
        let mut cost = 0;
        for number in 0..self.shards.len() {
            self.check_shard(number, &mut seen, &mut cost)?;
        }
        let accounted = usize::try_from(self.accounted()).unwrap_or(usize::MAX);
        ensure(accounted == cost, || {
            format!("ledger says {accounted}, sessions cost {cost}")
        })?;
        let mut by_app: BTreeMap<u16, Vec<Seen>> = BTreeMap::new();
        for one in seen {
            by_app.entry(one.record.app).or_default().push(one);
        }
        let apps = self.apps.all();
        ensure(apps.len() == by_app.len(), || {
            format!(
                "{} apps in the table, {} have records",
                apps.len(),
                by_app.len()
            )
        })?;
        for app in &apps {
            let records = by_app.get(&app.id).map_or(&[][..], Vec::as_slice);
            self.check_app(app, records)?;
        }
        self.check_directories(&apps, &by_app)
    }

    fn check_shard(&self, number: usize, seen: &mut Vec<Seen>, cost: &mut usize) -> Verdict {
        let guard = self.lock_number(number);
        let shard = &guard.shard;
        let (mut table, mut wheel, elapsed) = shard.filed();
        let living: Vec<u32> = (0..shard.used())
            .filter(|s| shard.living(*s).is_some())
            .collect();
        table.sort_unstable();
        wheel.sort_unstable();
        ensure(table == living, || {
            format!("shard {number}: table and records differ")
        })?;
        ensure(wheel == living, || {
            format!("shard {number}: wheel and records differ")
        })?;
        ensure(shard.wheel_len() == living.len(), || {
            format!("shard {number}: wheel miscounts")
        })?;
        for local in living {
            check_record(shard, local, elapsed)?;
            let record = *shard.record(local);
            let body = shard.body(local);
            if let Some(app) = self.apps.by_id(record.app) {
                *cost += session_cost(body.length(), names(&app, &body));
            }
            let number = u32::try_from(number).unwrap_or(0);
            seen.push(Seen {
                slot: self.global(number, local),
                record,
                user: body.user.map(str::to_owned),
                ip: body.ip.map(str::to_owned),
            });
        }
        Ok(())
    }

    fn check_app(&self, app: &App, records: &[Seen]) -> Verdict {
        let name = app.name();
        ensure(app.records() == records.len() as u64, || {
            format!(
                "{name:?}: counts {} records, has {}",
                app.records(),
                records.len()
            )
        })?;
        let generation = read_locked(&app.generation);
        ensure(generation.epoch == app.epoch(), || {
            format!("{name:?}: epoch is not mirrored")
        })?;
        let current: Vec<&Seen> = records
            .iter()
            .filter(|s| s.record.epoch == short(generation.epoch) && !s.record.is_alias())
            .collect();
        check_time_index(&generation.index, &current).map_err(|e| format!("{name:?}: {e}"))?;
        let mut users: BTreeMap<u32, u32> = BTreeMap::new();
        for seen in current.iter().filter(|s| s.record.user != NONE) {
            let last = users.entry(seen.record.user).or_default();
            *last = seen.record.last_second().max(*last);
        }
        let counts = &generation.index.users;
        ensure(counts.total() == users.len() as u64, || {
            format!(
                "{name:?}: counts {} users, has {}",
                counts.total(),
                users.len()
            )
        })?;
        let mut by_second: BTreeMap<u32, u64> = BTreeMap::new();
        for (node, last) in users {
            let noted = second_of(self.users.cell(node).load(Relaxed));
            ensure(noted >= last, || {
                format!("{name:?}: user active at {last}, noted {noted}")
            })?;
            *by_second.entry(noted / 3_600).or_default() += 1;
        }
        for (hour, users) in by_second {
            let counted = counts.in_span(hour * 3_600, 3_600);
            ensure(counted == users, || {
                format!("{name:?}: hour {hour}: {counted} of {users}")
            })?;
        }
        Ok(())
    }

    fn check_directories(&self, apps: &[Arc<App>], records: &BTreeMap<u16, Vec<Seen>>) -> Verdict {
        let all = || records.values().flatten();
        let users = all()
            .filter(|s| s.user.is_some())
            .map(|s| (s.slot, s.user.as_deref(), s.record));
        check_directory(&self.users, users.collect(), "user")?;
        let torn = all().find(|s| s.user.is_some() != (s.record.user != NONE));
        ensure(torn.is_none(), || {
            "user node and user text differ".to_owned()
        })?;
        let indexed: BTreeSet<u16> = apps.iter().filter(|a| a.ip_indexed).map(|a| a.id).collect();
        let ips = all()
            .filter(|s| s.ip.is_some() && indexed.contains(&s.record.app))
            .map(|s| (s.slot, s.ip.as_deref(), s.record));
        check_directory(&self.ips, ips.collect(), "IP")
    }
}

fn check_record(shard: &Shard, local: u32, elapsed: u32) -> Verdict {
    let record = shard.record(local);
    ensure(shard.find(record.tag) == Some(local), || {
        format!("slot {local}: tag leads elsewhere")
    })?;
    ensure(shard.find_handle(record.handle()) == Some(local), || {
        format!("slot {local}: handle is not unique")
    })?;
    let latest = due_second(record.deadline()).max(elapsed.saturating_add(1));
    ensure(record.due > elapsed && record.due <= latest, || {
        format!(
            "slot {local}: filed under {}, elapsed {elapsed}, latest {latest}",
            record.due
        )
    })
}

fn check_time_index(index: &TimeIndex, current: &[&Seen]) -> Verdict {
    ensure(index.sessions.total() == current.len() as u64, || {
        format!(
            "index counts {} sessions, has {}",
            index.sessions.total(),
            current.len()
        )
    })?;
    let mut entries: BTreeSet<(u32, u32)> = BTreeSet::new();
    let buckets = index.buckets_since(0);
    for (number, bucket) in (0u32..).zip(&buckets) {
        let mut slots = Vec::new();
        while slots.len() < bucket.len() {
            bucket.copy(slots.len(), 4096, &mut slots);
        }
        entries.extend(slots.into_iter().map(|slot| (number, slot)));
    }
    let mut by_hour: BTreeMap<u32, u64> = BTreeMap::new();
    for seen in current {
        let second = seen.record.last_second();
        *by_hour.entry(second / 3_600).or_default() += 1;
        let number = (0u32..)
            .zip(&buckets)
            .find(|(_, b)| b.covers(second))
            .map(|(n, _)| n);
        ensure(
            number.is_some_and(|n| entries.contains(&(n, seen.slot))),
            || {
                format!(
                    "slot {} has no entry in the bucket of second {second}",
                    seen.slot
                )
            },
        )?;
    }
    for (hour, sessions) in by_hour {
        let counted = index.sessions.in_span(hour * 3_600, 3_600);
        ensure(counted == sessions, || {
            format!("hour {hour}: counts {counted} of {sessions}")
        })?;
    }
    Ok(())
}

/// Every list of a directory holds exactly the sessions of one app, epoch and text.
fn check_directory(
    directory: &Directory,
    expected: Vec<(u32, Option<&str>, Record)>,
    what: &str,
) -> Verdict {
    let mut by_name: BTreeMap<(u16, u8, &str), BTreeSet<u32>> = BTreeMap::new();
    for (slot, text, record) in expected {
        let name = (record.app, record.epoch, text.unwrap_or_default());
        by_name.entry(name).or_default().insert(slot);
    }
    let mut lists: Vec<BTreeSet<u32>> = Vec::new();
    for (_, slots) in directory.lists() {
        let set: BTreeSet<u32> = slots.iter().copied().collect();
        ensure(set.len() == slots.len(), || {
            format!("{what} list holds a slot twice")
        })?;
        lists.push(set);
    }
    let mut wanted: Vec<BTreeSet<u32>> = by_name.into_values().collect();
    lists.sort_unstable();
    wanted.sort_unstable();
    ensure(lists == wanted, || {
        format!("{what} lists and sessions differ")
    })
}

#[cfg(test)]
mod tests {
    use super::{Record, TimeIndex, read_locked};
    use crate::clock::Millis;
    use crate::model::change::CreateChange;
    use crate::model::{AppName, Change, ContentType, Handle, Keys, Life, Tag};
    use crate::store::{Store, StoreConfig};

    fn store_with_one_session() -> Store {
        let config = StoreConfig {
            token_shards: 4,
            name_shards: 4,
            max_apps: 10,
            ip_indexed_apps: vec!["app".to_owned()],
        };
        let store = Store::new(&config, Keys::new([1; 32]));
        store.apply(&Change::Create(CreateChange {
            app: AppName::new("app").unwrap(),
            epoch: 0,
            tag: Tag { high: 5, low: 6 },
            user: Some("u"),
            ip: Some("i"),
            created: Millis(1_000),
            last_active: Millis(1_000),
            lag: false,
            life: Life::sliding(60_000),
            no_resave: false,
            reads: 1,
            writes: 1,
            content_type: ContentType::BYTES,
            data: b"data",
            sealed: b"",
            alias: false,
        }));
        assert_eq!(store.check_invariants(), Ok(()));
        store
    }

    /// Damages a healthy store in one place and expects the check to notice.
    fn damaged(damage: impl FnOnce(&Store)) -> String {
        let store = store_with_one_session();
        damage(&store);
        store
            .check_invariants()
            .expect_err("the damage must be found")
    }

    const HANDLE: Handle = Handle(5);

    fn slot(store: &Store) -> u32 {
        store.lock_shard(HANDLE).shard.find_handle(HANDLE).unwrap()
    }

    fn change_record(store: &Store, change: impl FnOnce(&mut Record)) {
        let local = slot(store);
        change(store.lock_shard(HANDLE).shard.record_mut(local));
    }

    fn with_index(store: &Store, act: impl FnOnce(&TimeIndex)) {
        let app = store.app(AppName::new("app").unwrap()).unwrap();
        act(&read_locked(&app.generation).index);
    }

    #[test]
    fn planted_damage_is_found_in_every_index() {
        assert!(damaged(|s| s.ledger.add(1)).contains("ledger"));
        assert!(damaged(|s| change_record(s, |r| r.due = 0)).contains("filed under"));
        let short = Life::sliding(1);
        assert!(damaged(|s| change_record(s, |r| r.set_life(&short))).contains("filed under"));
        let later = Millis(9_000);
        assert!(damaged(|s| change_record(s, |r| r.set_last(later, false))).contains("no entry"));
        assert!(damaged(|s| with_index(s, |i| i.sessions.remove(1))).contains("sessions"));
        assert!(damaged(|s| with_index(s, |i| i.users.add(1))).contains("users"));
        assert!(
            damaged(|s| {
                let app = s.app(AppName::new("app").unwrap()).unwrap();
                assert!(app.enter(1));
            })
            .contains("records")
        );
        assert!(
            damaged(|s| {
                let local = slot(s);
                let number = s.lock_shard(HANDLE).number;
                let node = s.lock_shard(HANDLE).shard.record(local).user;
                s.users.unlink(node, s.global(number, local));
            })
            .contains("user")
        );
    }
}
