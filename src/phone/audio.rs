//! The phone's ear and mouth: RTP over one socket, 20 ms at a time.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::core::prompt::Audio;
use crate::media::command::{Agreement, Codec};
use crate::media::g711;

/// Samples in a packet: 20 ms.
const FRAME: usize = 160;

/// Most samples that are kept of what is heard: 10 minutes.
const MOST_SAMPLES: usize = 8_000 * 600;

/// What a call sounded like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// 8 kHz, in the order in which packets came; nothing stands for what was lost.
    pub samples: Vec<i16>,
}

impl Heard {
    /// How long it is.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(125).saturating_mul(u32::try_from(self.samples.len()).unwrap_or(0))
    }

    /// Writes a 16-bit WAV file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec)
            .with_context(|| format!("writing {}", path.display()))?;
        for sample in &self.samples {
            writer.write_sample(*sample)?;
        }
        Ok(writer.finalize()?)
    }
}

/// A bound socket.
pub(super) struct Socket {
    socket: UdpSocket,
    port: u16,
}

impl Socket {
    pub(super) async fn open(ip: IpAddr) -> anyhow::Result<Socket> {
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0)).await?;
        let port = socket.local_addr()?.port();
        Ok(Socket { socket, port })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

/// Talks and listens until it is stopped.
pub(super) struct AudioTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Heard>,
}

impl AudioTask {
    pub(super) fn start(
        socket: Socket,
        agreement: &Agreement,
        play: Option<Audio>,
        seed: u64,
    ) -> AudioTask {
        let (stop, stopped) = oneshot::channel();
        let talk = Talk {
            socket: socket.socket,
            remote: agreement.remote,
            codec: agreement.codec,
            payload_type: agreement.send_payload_type,
            play,
            seed,
        };
        AudioTask {
            stop,
            task: tokio::spawn(talk.run(stopped)),
        }
    }

    pub(super) async fn stop(self) -> anyhow::Result<Heard> {
        // The task may have ended by itself; then there is nobody to tell.
        let _ = self.stop.send(());
        Ok(self.task.await?)
    }
}

struct Talk {
    socket: UdpSocket,
    remote: SocketAddr,
    codec: Codec,
    payload_type: u8,
    play: Option<Audio>,
    seed: u64,
}

impl Talk {
    async fn run(self, mut stopped: oneshot::Receiver<()>) -> Heard {
        let mut heard = Heard::default();
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut count = 0u32;
        let mut buffer = [0u8; 2_048];
        loop {
            tokio::select! {
                _ = &mut stopped => return heard,
                _ = tick.tick() => {
                    // A full send buffer loses a packet, as a network would.
                    let _ = self.socket.try_send_to(&self.packet(count), self.remote);
                    count = count.wrapping_add(1);
                }
                received = self.socket.recv(&mut buffer) => {
                    if let Ok(length) = received {
                        self.hear(buffer.get(..length).unwrap_or_default(), &mut heard);
                    }
                }
            }
        }
    }

    fn packet(&self, count: u32) -> Vec<u8> {
        let [low, high, ..] = self.seed.to_le_bytes();
        let sequence = u16::from_le_bytes([low, high]).wrapping_add(count as u16);
        let timestamp = count.wrapping_mul(FRAME as u32);
        let ssrc = (self.seed >> 32) as u32;
        let marker = if count == 0 { 0x80 } else { 0 };
        let mut packet = Vec::with_capacity(12 + FRAME);
        packet.extend([0x80, self.payload_type | marker]);
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        let audio = self
            .play
            .as_ref()
            .map_or(&[][..], |audio| match self.codec {
                Codec::Pcmu => &audio.pcmu,
                Codec::Pcma => &audio.pcma,
            });
        let start = (count as usize).saturating_mul(FRAME).min(audio.len());
        let end = start.saturating_add(FRAME).min(audio.len());
        packet.extend_from_slice(audio.get(start..end).unwrap_or_default());
        let silence = match self.codec {
            Codec::Pcmu => g711::encode_pcmu(0),
            Codec::Pcma => g711::encode_pcma(0),
        };
        packet.resize(12 + FRAME, silence);
        packet
    }

    fn hear(&self, packet: &[u8], heard: &mut Heard) {
        let Some((header, payload)) = packet.split_at_checked(12) else {
            return;
        };
        let codec = match header.get(1).map(|octet| octet & 0x7f) {
            Some(0) => Codec::Pcmu,
            Some(8) => Codec::Pcma,
            _ => return,
        };
        if heard.samples.len() < MOST_SAMPLES {
            heard
                .samples
                .extend(payload.iter().map(|octet| match codec {
                    Codec::Pcmu => g711::decode_pcmu(*octet),
                    Codec::Pcma => g711::decode_pcma(*octet),
                }));
        }
    }
}
