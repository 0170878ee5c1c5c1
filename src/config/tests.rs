use std::fs;
use std::path::Path;

use super::{Diagnostics, Loaded, PromptFile, load};
use crate::core::prompt::PromptAudio;
use crate::core::time::Wall;

/// The example of the documentation, complete: what it names exists.
const EXAMPLE: &str = r#"
[sip]
listen = ["udp://0.0.0.0:5060", "tcp://0.0.0.0:5060"]
public_address = "203.0.113.7"
local_networks = ["10.0.0.0/8"]
digest = "md5"
[media]
ports = "16384-17383"
[store]
url = "sqlite:../data/ringdesk.db"
audio = "../data/audio"
[prompts]
dir = "prompts"
[smtp]
server = "smtp://localhost:25"
from = "ringdesk@example.com"

[[trunk]]
name = "carrier"
peers = ["198.51.100.0/24"]
country = "NO"
number_from = "request-uri"
outbound = "sip:sip.carrier.example"
username = "acct4711"
password_file = "secrets/carrier"

[[user]]
name = "anna"
display_name = "Anna Berg"
email = "anna@example.com"
seat = "service"
sip_password_file = "secrets/anna"
sip_contacts = []
external_number = "+4790000001"
schedule = "oslo"
wrap_up_seconds = 10
[[user]]
name = "bjorn"
seat = "service"
[[user]]
name = "carl"
seat = "sales"

[[team]]
name = "support"
members = ["anna", "bjorn"]
extra_members = ["carl"]

[[inbox]]
name = "customers"
teams = ["support"]

[[special_days]]
name = "norway"
days = [
  { easter = -2, name = "Good Friday", hours = [] },
  { yearly = "05-17", name = "Constitution Day", hours = [] },
  { yearly = "12-24", name = "Christmas Eve", hours = ["08:00-12:00"], prompt = "christmas" },
]

[[schedule]]
name = "oslo"
timezone = "Europe/Oslo"
weekly = { mon-thu = ["08:00-11:30", "12:00-16:00"], fri = ["08:00-15:00"] }
special_days = ["norway"]
special = [{ date = "2026-12-31", name = "New Year's Eve", hours = ["08:00-12:00"] }]

[[prompt]]
name = "unanswered"
file = "unanswered.wav"

[[channel]]
name = "main-line"
kind = "call"
inbox = "customers"
numbers = ["+4722334455"]
schedule = "oslo"
notify = ["office@example.com"]
[channel.working_hours]
teams = ["support"]
strategy = "ring-all"
ring_seconds = 25
then = [{ users = ["carl"] }]
voicemail = "unanswered"
[channel.break]
voicemail = "unanswered"
[channel.after_hours]
voicemail = "closed"
[channel.special_prompts]
"Christmas Eve" = "christmas-en"

[[expect]]
at = "2026-12-24T12:30"
channel = "main-line"
voicemail = "christmas-en"
"#;

/// A directory with these files, and the prompts and passwords that the example names.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("prompts")).unwrap();
    fs::create_dir(dir.path().join("secrets")).unwrap();
    for name in ["unanswered", "closed", "christmas", "christmas-en"] {
        fs::write(dir.path().join(format!("prompts/{name}.wav")), "audio").unwrap();
    }
    for name in ["anna", "carrier"] {
        write_secret(dir.path(), name, "swordfish\n", 0o600);
    }
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn write_secret(dir: &Path, name: &str, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("secrets").join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn load_directory(dir: &Path) -> Result<Loaded, Diagnostics> {
    load(dir, 1, Wall::from_seconds(1_800_000_000), &|file| {
        let text = match file {
            PromptFile::Shipped(_) => "audio".to_owned(),
            PromptFile::At(path) => fs::read_to_string(path).map_err(|error| error.to_string())?,
        };
        match text.as_str() {
            "audio" => Ok(PromptAudio {
                pcmu: vec![0xff; 160].into(),
                pcma: vec![0xd5; 160].into(),
            }),
            _ => Err("it is not a WAV file.".to_owned()),
        }
    })
}

fn load_files(files: &[(&str, &str)]) -> Result<Loaded, Diagnostics> {
    load_directory(directory(files).path())
}

#[test]
fn the_example_loads() {
    let loaded = load_files(&[("ringdesk.toml", EXAMPLE)]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded.warnings, []);
}
