//! The prefix codes of lossless WebP (RFC 9649, section 3), whose memory is not bounded by the picture's size.
//!
//! A picture of a few pixels may have 65,536 groups of five codes, in few bytes each, and the decoder builds a table of
//! each code before it has seen a pixel: up to 6 GB. So the codes are read here beforehand, and the size of their
//! tables is added up. No pixel is decoded: the number of bits to skip follows from the codes.

/// The largest alphabet: literals, lengths, and a cache of 2^11 colours.
const GREEN: usize = 256 + 24;
const ALPHABETS: [usize; 5] = [GREEN, 256, 256, 256, 40];
/// The order of the lengths of the code of lengths (3.7.2.1.2).
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// The decoder looks up this many bits in one step, and walks a tree for longer codes.
const TABLE_BITS: usize = 10;

/// The bytes that the tables of a picture's codes take, as far as its data goes. Reading ends above `limit`. Truncated
/// or invalid data is left for the decoder to report.
pub(super) fn tables(data: &[u8], size: Option<(u32, u32)>, limit: u64) -> u64 {
    let mut reader = Reader { data, at: 0, bytes: 0, limit };
    let _ = reader.picture(size);
    reader.bytes
}

struct Reader<'a> {
    data: &'a [u8],
    /// In bits.
    at: usize,
    /// The bytes of the tables so far.
    bytes: u64,
    limit: u64,
}

/// A code by its lengths in the file, in a form for reading its symbols.
struct Code {
    /// How many symbols there are of each length.
    counts: [u16; 16],
    /// The symbols, by length.
    symbols: Vec<u16>,
}

impl Reader<'_> {
    /// Reads up to the first pixel. `size` is given where there is no header.
    fn picture(&mut self, size: Option<(u32, u32)>) -> Option<()> {
        let (mut width, height) = match size {
            Some(size) => size,
            None => {
                self.bits(8)?;
                let size = (self.bits(14)? + 1, self.bits(14)? + 1);
                self.bits(4)?;
                size
            }
        };
        let mut transforms = [false; 4];
        while self.bits(1)? == 1 {
            let kind = self.bits(2)?;
            if std::mem::replace(&mut transforms[kind as usize], true) {
                return None;
            }
            match kind {
                // Predictors and colours: a picture of blocks.
                0 | 1 => {
                    let block = self.bits(3)? + 2;
                    self.image(blocks(width, block), blocks(height, block))?;
                }
                3 => {
                    let colours = self.bits(8)? + 1;
                    self.image(colours, 1)?;
                    // Several pixels share one where there are few colours.
                    width = blocks(
                        width,
                        if colours <= 2 {
                            3
                        } else if colours <= 4 {
                            2
                        } else {
                            u32::from(colours <= 16)
                        },
                    );
                }
                _ => {}
            }
        }
        let cache = self.cache()?;
        let mut groups = 1;
        if self.bits(1)? == 1 {
            let block = self.bits(3)? + 2;
            groups = self.image(blocks(width, block), blocks(height, block))? + 1;
        }
        for _ in 0..groups {
            self.codes(cache)?;
        }
        Some(())
    }

    /// Skips an image within the picture, and returns the largest number that red and green make together.
    fn image(&mut self, width: u32, height: u32) -> Option<u32> {
        let cache = self.cache()?;
        let [green, red, blue, alpha, distance] = self.codes(cache)?;
        let (mut left, mut most) = (u64::from(width) * u64::from(height), 0);
        while left > 0 {
            let symbol = green.read(self)?;
            if symbol < 256 {
                let number = red.read(self)? << 8 | symbol;
                blue.read(self)?;
                alpha.read(self)?;
                most = most.max(number);
                left -= 1;
                if [&green, &red, &blue, &alpha].into_iter().all(Code::is_one_symbol) {
                    // All of it is one colour, and takes no bits.
                    break;
                }
            } else if (symbol as usize) < GREEN {
                // Copied pixels occurred before, as did pixels from the cache.
                let length = self.number(symbol - 256)?;
                let symbol = distance.read(self)?;
                self.number(symbol)?;
                left = left.checked_sub(length)?;
            } else {
                left -= 1;
            }
        }
        Some(most)
    }

    /// The number of colours in a cache.
    fn cache(&mut self) -> Option<usize> {
        if self.bits(1)? == 0 {
            return Some(0);
        }
        let bits = self.bits(4)?;
        (1..=11).contains(&bits).then(|| 1 << bits)
    }

    /// A length or a distance that begins with the symbol.
    fn number(&mut self, symbol: u32) -> Option<u64> {
        if symbol < 4 {
            return Some(u64::from(symbol) + 1);
        }
        let extra = (symbol - 2) >> 1;
        let base = (2 + u64::from(symbol & 1)) << extra;
        Some(base + u64::from(self.bits(extra)?) + 1)
    }

    /// A group of codes.
    fn codes(&mut self, cache: usize) -> Option<[Code; 5]> {
        let mut alphabets = ALPHABETS;
        alphabets[0] += cache;
        let [green, red, blue, alpha, distance] = alphabets;
        // The group itself, and the growth of a list of them.
        self.spend(5 * 64 * 3)?;
        Some([self.code(green)?, self.code(red)?, self.code(blue)?, self.code(alpha)?, self.code(distance)?])
    }

    fn code(&mut self, alphabet: usize) -> Option<Code> {
        if self.bits(1)? == 1 {
            let (two, wide) = (self.bits(1)? == 1, self.bits(1)?);
            let first = self.bits(1 + 7 * wide)? as u16;
            let second = if two { Some(self.bits(8)? as u16) } else { None };
            self.spend(if two { 64 } else { 0 })?;
            return Some(Code::of_symbols(first, second));
        }
        let mut lengths = [0; 19];
        let count = 4 + self.bits(4)? as usize;
        for place in ORDER.into_iter().take(count) {
            lengths[place] = self.bits(3)? as u8;
        }
        let code = Code::new(&lengths)?;
        let mut left = alphabet;
        if self.bits(1)? == 1 {
            let bits = 2 + 2 * self.bits(3)?;
            left = 2 + self.bits(bits)? as usize;
        }
        let (mut lengths, mut last) = (Vec::with_capacity(alphabet), 8);
        while lengths.len() < alphabet && left > 0 {
            left -= 1;
            let (length, times) = match code.read(self)? {
                16 => (last, 3 + self.bits(2)?),
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                length => {
                    let length = length as u8;
                    if length > 0 {
                        last = length;
                    }
                    (length, 1)
                }
            };
            lengths.extend(std::iter::repeat_n(length, times as usize));
        }
        let code = Code::new(&lengths)?;
        self.spend(code.table())?;
        Some(code)
    }

    fn spend(&mut self, bytes: u64) -> Option<()> {
        self.bytes += bytes;
        (self.bytes <= self.limit).then_some(())
    }

    /// Up to 24 bits, the first of them the lowest.
    fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.data.get(self.at / 8)?;
            value |= u32::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Some(value)
    }
}

impl Code {
    fn of_symbols(first: u16, second: Option<u16>) -> Self {
        let mut counts = [0; 16];
        counts[1] = 1 + u16::from(second.is_some());
        Self { counts, symbols: std::iter::once(first).chain(second).collect() }
    }

    /// A canonical code of these lengths. `None` where there are no symbols.
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0; 16];
        let mut symbols: Vec<u16> = (0..).zip(lengths).filter(|(_, length)| **length > 0).map(|(n, _)| n).collect();
        symbols.sort_by_key(|symbol| lengths[usize::from(*symbol)]);
        for length in lengths.iter().filter(|length| **length > 0) {
            counts[usize::from(*length)] += 1;
        }
        (!symbols.is_empty()).then_some(Self { counts, symbols })
    }

    /// A single symbol needs no bits.
    fn is_one_symbol(&self) -> bool {
        self.symbols.len() == 1
    }

    /// Reads a symbol, bit by bit.
    fn read(&self, reader: &mut Reader<'_>) -> Option<u32> {
        if let [symbol] = *self.symbols {
            return Some(symbol.into());
        }
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in self.counts.iter().skip(1).map(|count| i32::from(*count)) {
            code |= reader.bits(1)? as i32;
            if code - count < first {
                let place = usize::try_from(index + code - first).ok()?;
                return self.symbols.get(place).map(|symbol| (*symbol).into());
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }

    /// The bytes of the decoder's table: four for each entry, and 32 for each longer symbol in its tree.
    fn table(&self) -> u64 {
        if self.is_one_symbol() {
            return 0;
        }
        let longest = self.counts.iter().rposition(|count| *count > 0).unwrap_or(0);
        let longer: u64 = self.counts.iter().skip(TABLE_BITS + 1).map(|count| u64::from(*count)).sum();
        (4 << longest.min(TABLE_BITS)) + 32 * longer
    }
}

/// How many blocks of 2^`bits` cover a side.
fn blocks(side: u32, bits: u32) -> u32 {
    side.div_ceil(1 << bits)
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder, codecs::webp::WebPEncoder};

    use super::*;

    #[test]
    fn encoder_output_is_skipped_to_the_last_code() {
        let noise: Vec<u8> = (0..64 * 64 * 4u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut bytes = Vec::new();
        WebPEncoder::new_lossless(&mut bytes).write_image(&noise, 64, 64, ExtendedColorType::Rgba8).unwrap();
        let data = &bytes[20..];
        let mut reader = Reader { data, at: 0, bytes: 0, limit: u64::MAX };
        assert_eq!(reader.picture(None), Some(()));
        // Four codes of 256 symbols of about eight bits each.
        assert!((1_000..40_000).contains(&reader.bytes), "{}", reader.bytes);
        assert_eq!(tables(data, None, 1_000), tables(data, None, 1_000));
    }

    #[test]
    fn codes_round_trip() {
        // Lengths 2, 1, 3, 3: the codes 10, 0, 110, 111.
        let code = Code::new(&[2, 1, 3, 3]).unwrap();
        let bits = [1, 0, /**/ 0, /**/ 1, 1, 0, /**/ 1, 1, 1];
        let data = bits.iter().enumerate().fold([0u8; 2], |mut data, (at, bit)| {
            data[at / 8] |= bit << (at % 8);
            data
        });
        let mut reader = Reader { data: &data, at: 0, bytes: 0, limit: 0 };
        let symbols: Vec<_> = std::iter::from_fn(|| code.read(&mut reader)).take(4).collect();
        assert_eq!(symbols, [0, 1, 2, 3]);
        assert_eq!(code.table(), 32);
    }

    #[test]
    fn invalid_data_ends_the_reading() {
        for data in [&[][..], &[0x2f], &[0xff; 64], &[0; 64]] {
            tables(data, None, 1 << 20);
            tables(data, Some((16_384, 16_384)), 1 << 20);
        }
    }
}
