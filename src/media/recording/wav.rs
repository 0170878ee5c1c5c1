//! A WAV file (16-bit PCM, 8 kHz, mono) that grows and can be read at every moment.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use crate::media::g711::SAMPLE_RATE;
use crate::media::level::is_silent;

/// Octets before the first sample.
pub(super) const HEADER: u64 = 44;

/// Samples that silence is judged over: 20 ms.
const BLOCK: usize = 160;

/// Readable by its owner and group: what callers say is private.
const MODE: u32 = 0o640;

/// An open file, and how many samples of it are written and told of in its header.
#[derive(Debug)]
pub(super) struct WavFile {
    file: File,
    samples: u64,
    committed: u64,
    octets: Vec<u8>,
}

impl WavFile {
    /// Opens `path` for a new recording, whether or not it is there, with disk space for `limit`
    /// samples set aside where the file system can do that.
    pub(super) fn create(path: &Path, limit: u64) -> io::Result<WavFile> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(path)?;
        // Shortening a file gives up the space set aside for it.
        if file.metadata()?.len() > HEADER {
            file.set_len(0)?;
        }
        let mut wav = WavFile {
            file,
            samples: 0,
            committed: 0,
            octets: Vec::new(),
        };
        reserve(&wav.file, HEADER + limit * 2)?;
        wav.write_header()?;
        Ok(wav)
    }

    /// Opens the file that a crash left, as long as it is.
    pub(super) fn open(path: &Path) -> io::Result<WavFile> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let samples = file.metadata()?.len().saturating_sub(HEADER) / 2;
        Ok(WavFile {
            file,
            samples,
            committed: 0,
            octets: Vec::new(),
        })
    }

    /// Adds samples at the end. After an error the same samples can be given again.
    pub(super) fn append(&mut self, samples: &[i16]) -> io::Result<()> {
        self.octets.clear();
        self.octets
            .extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        self.file
            .write_all_at(&self.octets, HEADER + self.samples * 2)?;
        self.samples += samples.len() as u64;
        Ok(())
    }

    /// Brings the header up to the samples and all of it to the disk.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.committed != self.samples {
            self.write_header()?;
            self.file.sync_data()?;
            self.committed = self.samples;
        }
        Ok(())
    }

    /// Cuts the file after `samples` samples, gives back space set aside, and brings it to the disk.
    pub(super) fn finish(mut self, samples: u64) -> io::Result<()> {
        self.samples = samples;
        self.file.set_len(HEADER + samples * 2)?;
        self.write_header()?;
        self.file.sync_all()
    }

    /// The number of samples up to the last sound, read from the file.
    pub(super) fn end_of_sound(&self) -> io::Result<u64> {
        let mut sound = SoundEnd::default();
        let mut octets = vec![0; BLOCK * 2 * 64];
        let mut at = 0;
        while at < self.samples {
            let length = (self.samples - at).min(BLOCK as u64 * 64) as usize;
            let chunk = octets.get_mut(..length * 2).unwrap_or_default();
            self.file.read_exact_at(chunk, HEADER + at * 2)?;
            let samples: Vec<i16> = chunk
                .chunks_exact(2)
                .map(|pair| pair.try_into().map_or(0, i16::from_le_bytes))
                .collect();
            sound.hear(&samples);
            at += length as u64;
        }
        Ok(sound.end())
    }

    fn write_header(&mut self) -> io::Result<()> {
        self.file.write_all_at(&header(self.samples), 0)
    }
}

/// How long `samples` samples last.
pub(super) fn duration(samples: u64) -> Duration {
    Duration::from_micros(samples.saturating_mul(125))
}

/// How many samples last `duration`.
pub(super) fn samples_in(duration: Duration) -> u64 {
    let samples = duration.as_micros() / 125;
    u64::try_from(samples).unwrap_or(u64::MAX).min(LONGEST)
}

/// The most samples that the header's 32-bit sizes can tell of.
const LONGEST: u64 = (u32::MAX as u64 - 36) / 2;

/// Remembers where the last sound was while audio goes by.
#[derive(Debug, Default)]
pub(super) struct SoundEnd {
    block: Vec<i16>,
    heard: u64,
    end: u64,
}

impl SoundEnd {
    /// The next samples.
    pub(super) fn hear(&mut self, samples: &[i16]) {
        for &sample in samples {
            self.block.push(sample);
            if self.block.len() == BLOCK {
                self.close_block();
            }
        }
    }

    /// The number of samples up to the end of the last 20 ms that were not silent.
    pub(super) fn end(mut self) -> u64 {
        self.close_block();
        self.end
    }

    fn close_block(&mut self) {
        self.heard += self.block.len() as u64;
        if !is_silent(&self.block) {
            self.end = self.heard;
        }
        self.block.clear();
    }
}

/// The canonical 44 octets: `RIFF`, `fmt ` for PCM, `data`.
fn header(samples: u64) -> [u8; HEADER as usize] {
    let data = u32::try_from(samples.min(LONGEST) * 2).unwrap_or(u32::MAX);
    let mut header = [0; HEADER as usize];
    header[0..4].copy_from_slice(b"RIFF");
    header[4..8].copy_from_slice(&data.saturating_add(36).to_le_bytes());
    header[8..16].copy_from_slice(b"WAVEfmt ");
    header[16..20].copy_from_slice(&16u32.to_le_bytes());
    header[20..22].copy_from_slice(&1u16.to_le_bytes());
    header[22..24].copy_from_slice(&1u16.to_le_bytes());
    header[24..28].copy_from_slice(&SAMPLE_RATE.to_le_bytes());
    header[28..32].copy_from_slice(&(SAMPLE_RATE * 2).to_le_bytes());
    header[32..34].copy_from_slice(&2u16.to_le_bytes());
    header[34..36].copy_from_slice(&16u16.to_le_bytes());
    header[36..40].copy_from_slice(b"data");
    header[40..44].copy_from_slice(&data.to_le_bytes());
    header
}

/// Sets disk space aside without changing the file's length, so that a disk that fills up during a
/// recording does not cut it off. File systems that cannot do that are left alone.
fn reserve(file: &File, octets: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, octets) {
        Err(error) if error == Errno::NOSPC || error == Errno::DQUOT => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Vec<i16> {
        let mut reader = hound::WavReader::open(path).unwrap();
        let spec = reader.spec();
        assert_eq!(
            (spec.sample_rate, spec.channels, spec.bits_per_sample),
            (8_000, 1, 16)
        );
        reader.samples().map(Result::unwrap).collect()
    }

    #[test]
    fn the_file_can_be_read_at_every_moment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.wav");
        let mut wav = WavFile::create(&path, 8_000).unwrap();
        assert_eq!(read(&path), Vec::<i16>::new());
        let mut written = Vec::new();
        for number in 1..20i16 {
            let chunk = vec![number; 100];
            wav.append(&chunk).unwrap();
            assert_eq!(read(&path), written, "before the commit: as it was");
            wav.commit().unwrap();
            written.extend(chunk);
            assert_eq!(read(&path), written);
        }
        wav.finish(1_234).unwrap();
        assert_eq!(read(&path), written[..1_234]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 44 + 2 * 1_234);
    }

    #[test]
    fn a_file_made_before_is_used_and_an_older_one_emptied() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.wav");
        drop(WavFile::create(&path, 8_000).unwrap());
        let mut wav = WavFile::create(&path, 8_000).unwrap();
        wav.append(&[7; 50]).unwrap();
        wav.commit().unwrap();
        assert_eq!(read(&path), [7; 50]);
        drop(WavFile::create(&path, 8_000).unwrap());
        assert_eq!(read(&path), Vec::<i16>::new());
    }

    #[test]
    fn others_cannot_read_what_callers_say() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.wav");
        drop(WavFile::create(&path, 1).unwrap());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0);
    }

    #[test]
    fn the_last_sound_is_found_to_20_ms() {
        let end = |parts: &[(i16, usize)]| {
            let samples: Vec<i16> = parts
                .iter()
                .flat_map(|&(sample, length)| std::iter::repeat_n(sample, length))
                .collect();
            let mut at_once = SoundEnd::default();
            at_once.hear(&samples);
            let mut in_pieces = SoundEnd::default();
            samples.chunks(37).for_each(|piece| in_pieces.hear(piece));
            let end = at_once.end();
            assert_eq!(end, in_pieces.end());
            end
        };
        assert_eq!(end(&[]), 0);
        assert_eq!(end(&[(100, 8_000)]), 0);
        assert_eq!(end(&[(1_000, 8_000)]), 8_000);
        assert_eq!(end(&[(1_000, 8_005)]), 8_005);
        assert_eq!(end(&[(1_000, 8_000), (100, 8_000)]), 8_000);
        assert_eq!(end(&[(1_000, 8_010), (0, 8_000)]), 8_160);
        assert_eq!(
            end(&[
                (0, 8_000),
                (1_000, 160),
                (0, 8_000),
                (-900, 160),
                (0, 8_000)
            ]),
            16_320
        );
    }

    #[test]
    fn lengths_and_durations_are_exact() {
        assert_eq!(duration(8_000), Duration::from_secs(1));
        assert_eq!(duration(1), Duration::from_micros(125));
        assert_eq!(samples_in(Duration::from_secs(180)), 1_440_000);
        assert_eq!(samples_in(Duration::MAX), LONGEST);
    }
}
