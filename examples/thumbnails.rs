//! Thumbnails: a picture is kept in a bucket, and half of its size in another one.
//!
//! ```text
//! draw("gradient.pgm") -> shrink
//! ```
//!
//! Services pass the key on, and not the picture. The buckets are folders in `buckets/`, unless `[data]` in `dyn.toml` names
//! stores.

use dyninka::prelude::*;

/// Pictures as they are.
static PICTURES: Bucket = Bucket::named("pictures");

#[placed(shrink)]
static THUMBNAILS: Bucket = Bucket::named("thumbnails");

/// A grey picture, as the format PGM has it.
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut head = bytes.splitn(4, |byte| *byte == b'\n');
        let (b"P5", size, b"255", pixels) = (head.next()?, head.next()?, head.next()?, head.next()?) else {
            return None;
        };
        let (width, height) = std::str::from_utf8(size).ok()?.split_once(' ')?;
        let (width, height) = (width.parse().ok()?, height.parse().ok()?);
        (pixels.len() == usize::checked_mul(width, height)?).then(|| Self { width, height, pixels: pixels.to_vec() })
    }

    fn write(&self) -> Vec<u8> {
        let head = format!("P5\n{} {}\n255\n", self.width, self.height);
        [head.as_bytes(), &self.pixels].concat()
    }

    /// Each pixel is the mean of four.
    fn half(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let at = |x: usize, y: usize| u32::from(self.pixels[y * self.width + x]);
        let mean = |x: usize, y: usize| (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4;
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| mean(2 * x, 2 * y) as u8)).collect();
        Self { width, height, pixels }
    }
}

/// A thumbnail, and where it is.
#[derive(Serialize, Deserialize)]
struct Thumbnail {
    key: String,
    width: usize,
    height: usize,
    bytes: u64,
}

/// Draws a picture, unless it is there.
#[service]
async fn draw(key: String) -> Result<String> {
    let (width, height) = (64, 48);
    let pixels = (0..width * height).map(|at| (at % width * 4) as u8).collect();
    let picture = Picture { width, height, pixels };
    match PICTURES.put_if_absent(&key, picture.write()).await {
        Err(error) if error.kind() != dyninka::BucketErrorKind::Changed => Err(error.into()),
        _ => Ok(key),
    }
}

#[service]
async fn shrink(key: String) -> Result<Thumbnail> {
    let picture = PICTURES.get(&key).await?;
    let small = Picture::read(&picture.bytes).ok_or_else(|| Error::new(format!("{key} is no grey picture")))?.half();
    let kept = THUMBNAILS.put(&format!("half/{key}"), small.write()).await?;
    Ok(Thumbnail { key: kept.key, width: small.width, height: small.height, bytes: kept.size })
}

#[dyninka::main]
fn main() {
    draw("gradient.pgm").shrink()
}
