//! The code that `docs/webhooks.md` shows does what it says.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use ringdesk::clock;
use ringdesk::core::snapshot::Secret;
use ringdesk::outgoing::signature;

const SECRET: &str = "whsec æ";
const BODY: &str = r#"{"type":"message.added","data":{"text":"hallå"}}"#;

/// The block of code in that language.
fn block(language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/webhooks.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, after) = text.split_once(&format!("```{language}\n")).unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

/// What a program prints for a request with this timestamp and signature.
fn printed(program: &str, file: &str, code: &str, timestamp: i64, signed: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(file);
    fs::write(&path, code).unwrap();
    let arguments = [SECRET, &timestamp.to_string(), signed, BODY];
    let Output { stdout, stderr, .. } = Command::new(program)
        .arg(path)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} is missing: {error}"));
    assert!(stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap().trim().to_lowercase()
}

fn verifies(program: &str, file: &str, code: &str) {
    let now = clock::wall().as_seconds();
    let sign = |secret: &str, timestamp: i64| {
        signature(&Secret(secret.to_owned()), timestamp, BODY.as_bytes())
    };
    for (timestamp, signed, verified) in [
        (now, sign(SECRET, now), "true"),
        (now - 200, sign(SECRET, now - 200), "true"),
        (now - 400, sign(SECRET, now - 400), "false"),
        (now + 400, sign(SECRET, now + 400), "false"),
        (now, sign(SECRET, now - 1), "false"),
        (now, sign("other", now), "false"),
        (now, "v1=".to_owned(), "false"),
        (now, String::new(), "false"),
    ] {
        let told = printed(program, file, code, timestamp, &signed);
        assert_eq!(told, verified, "{program}: {timestamp} {signed}");
    }
}

#[test]
fn the_python_of_the_documentation_verifies_signatures() {
    let driver = "\nimport sys\nsecret, timestamp, signed, body = sys.argv[1:]\nheaders = {\"Ringdesk-Timestamp\": timestamp, \"Ringdesk-Signature\": signed}\nprint(verified(secret, headers, body.encode()))\n";
    verifies("python3", "verify.py", &(block("python") + driver));
}

#[test]
fn the_javascript_of_the_documentation_verifies_signatures() {
    let driver = "\nconst [secret, timestamp, signed, body] = process.argv.slice(2);\nconst headers = { \"ringdesk-timestamp\": timestamp, \"ringdesk-signature\": signed };\nconsole.log(verified(secret, headers, Buffer.from(body)));\n";
    verifies("node", "verify.mjs", &(block("js") + driver));
}
