//! A real softphone: baresip registers, answers and places a call.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::daemon::{Daemon, NUMBER, always_open, password};
use crate::support::place::{Place, Who};
use crate::support::sound::{Law, decoded, read_wav, speech, write_wav};
use crate::support::wait;

/// Samples in a packet.
const FRAME: usize = 160;

/// How much of what was said must have come through without a gap: a second.
const WITHOUT_GAP: usize = 50;

/// A running baresip; killed when dropped.
struct Baresip {
    child: Child,
    dump: PathBuf,
}

impl Baresip {
    /// A phone of `user` that says `speech(seed)`, and does what `arguments` say.
    fn start(
        place: &Place,
        who: Who,
        user: &str,
        seed: u64,
        more: &str,
        arguments: &[&str],
    ) -> Baresip {
        let server = place.sip(Who::Ringdesk);
        let own = place.sip(who);
        let home = format!("baresip-{user}");
        let says = place.path(&format!("{home}/says.wav"));
        let dump = place.path(&format!("{home}/dump"));
        std::fs::create_dir_all(&dump).unwrap();
        write_wav(&says, &speech(seed, 1_000));
        place.write(
            &format!("{home}/config"),
            format!(
                "sip_listen {own}\n\
                 audio_source aufile,{}\n\
                 audio_player aubridge,{user}\n\
                 ausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\n\
                 snd_path {}\n\
                 module_path /usr/lib/baresip/modules\n\
                 module g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n\
                 module_tmp account.so\nmodule_app menu.so\n",
                says.display(),
                dump.display(),
            ),
        );
        let password = password(user);
        place.write(
            &format!("{home}/accounts"),
            format!("<sip:{user}@{server}>;auth_pass={password};regint=600{more}\n"),
        );
        place.write(&format!("{home}/contacts"), "");
        let child = Command::new("baresip")
            .args(["-n", &own.ip().to_string(), "-f"])
            .arg(place.path(&home))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("baresip, from Debian, is needed");
        Baresip { child, dump }
    }

    /// Waits until it has ended by itself; what it heard.
    fn finish(mut self) -> Vec<i16> {
        wait::until("the end of baresip", || self.child.try_wait().unwrap());
        self.heard()
    }

    /// Ends it as Ctrl-C does; what it heard.
    fn stop(mut self) -> Vec<i16> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", "INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        wait::until("the end of baresip", || self.child.try_wait().unwrap());
        self.heard()
    }

    fn heard(&self) -> Vec<i16> {
        let files = std::fs::read_dir(&self.dump)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let heard = files
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .max();
        read_wav(&heard.expect("a dump of what was heard"))
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asserts that a long enough piece of `said` came through sample by sample.
fn assert_heard(who: &str, heard: &[i16], said: &[i16]) {
    let frames: Vec<&[i16]> = said.chunks_exact(FRAME).collect();
    let mut best = 0;
    let mut run = 0;
    let mut next = None;
    for frame in heard.chunks_exact(FRAME) {
        let place = match next {
            Some(next) if frames.get(next) == Some(&frame) => Some(next),
            _ => frames.iter().position(|said| *said == frame),
        };
        run = match (place, next) {
            (Some(place), Some(next)) if place == next => run + 1,
            (Some(_), _) => 1,
            (None, _) => 0,
        };
        next = place.map(|place| place + 1);
        best = best.max(run);
    }
    assert!(
        best >= WITHOUT_GAP,
        "{who} heard {} frames, of which only {best} in a row are what was said",
        heard.len() / FRAME
    );
}

#[test]
fn baresip_registers_answers_and_places_a_call_and_both_hear_each_other() {
    let place = Place::take();
    let daemon = Daemon::start(&place, &always_open("users = [\"anna\"]"));
    let anna = Baresip::start(&place, Who::Anna, "anna", 31, ";answermode=auto", &[]);
    daemon.wait_for("anna: phone at");
    let dial = format!("/dial sip:{NUMBER}@{}", place.sip(Who::Ringdesk));
    let bjorn = Baresip::start(
        &place,
        Who::Bjorn,
        "bjorn",
        32,
        "",
        &["-t", "8", "-e", &dial],
    );
    daemon.wait_for("answered by anna");
    let heard_by_bjorn = bjorn.finish();
    let calls = daemon.wait_for_calls(1);
    let heard_by_anna = anna.stop();
    assert_heard(
        "Anna",
        &heard_by_anna,
        &decoded(Law::Pcmu, &speech(32, 1_000)),
    );
    assert_heard(
        "Bjørn",
        &heard_by_bjorn,
        &decoded(Law::Pcmu, &speech(31, 1_000)),
    );
    assert_eq!(calls[0].outcome.as_deref(), Some("answered"));
    assert_eq!(calls[0].answered_by.as_deref(), Some("anna"));
    daemon.stop();
}
