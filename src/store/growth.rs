//! How far a vector grows when it is full: by about an eighth, to a size that allocators keep.
//!
//! Doubling would leave a third of the memory of a thousand shards unused. Allocators keep size
//! classes of an eighth of a power of two, so growing to just such a size wastes nothing either.

/// The smallest size class that holds `bytes`.
fn size_class(bytes: usize) -> usize {
    let step = (bytes.next_power_of_two() / 16).max(64);
    bytes.div_ceil(step) * step
}

/// Makes room for `more` elements behind those of `vector`.
pub(super) fn make_room<T>(vector: &mut Vec<T>, more: usize) {
    let needed = vector.len() + more;
    if needed > vector.capacity() {
        let size = size_class(needed * size_of::<T>());
        vector.reserve_exact((size / size_of::<T>()).max(needed) - vector.len());
    }
}

#[cfg(test)]
mod tests {
    use super::{make_room, size_class};

    #[test]
    fn classes_hold_what_is_asked_and_little_more() {
        for bytes in (1..200_000).step_by(37) {
            let class = size_class(bytes);
            assert!(
                class >= bytes && class <= bytes + (bytes / 8).max(64),
                "{bytes}: {class}"
            );
        }
    }

    #[test]
    fn growing_one_by_one_moves_the_elements_seldom() {
        let mut vector: Vec<[u8; 64]> = Vec::new();
        let mut moves = 0;
        for n in 0..10_000 {
            let before = vector.capacity();
            make_room(&mut vector, 1);
            moves += usize::from(vector.capacity() != before);
            vector.push([0; 64]);
            assert_eq!(vector.len(), n + 1);
        }
        assert!(moves < 100, "{moves}");
    }
}
