//! Passwords of people: argon2id (RFC 9106), as PHC strings.

use std::sync::Arc;
use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::HttpError;

/// The longest password, in octets: longer ones are refused before they cost time.
pub const LONGEST_PASSWORD: usize = 1_024;

/// Passwords hashed at the same time, each of which takes 19 MiB and some 30 ms of a core: calls
/// keep the rest of the machine.
const HASHING: usize = 2;

/// Sign-ins that may wait for their turn to be hashed: some seconds' worth.
const WAITING: usize = 64;

/// The hash of a password, to be kept in place of it.
///
/// # Errors
/// The system gives no random numbers, or the password is longer than [`LONGEST_PASSWORD`].
pub fn hash(password: &str) -> Result<String, String> {
    if password.len() > LONGEST_PASSWORD {
        return Err(format!(
            "the password is longer than {LONGEST_PASSWORD} octets"
        ));
    }
    let mut salt = [0u8; 16];
    getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
    Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

/// Whether `hash` is that of `password`.
fn is_hash_of(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else {
        return false;
    };
    Argon2::default()
        .verify_password(password.as_bytes(), &hash)
        .is_ok()
}

/// Compares passwords with their hashes, a few at a time.
#[derive(Debug)]
pub struct Hashing {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    nobody: OnceLock<String>,
}

impl Default for Hashing {
    fn default() -> Hashing {
        Hashing {
            running: Arc::new(Semaphore::new(HASHING)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            nobody: OnceLock::new(),
        }
    }
}

impl Hashing {
    /// Whether `hash` is that of `password`. Without a hash it is not, after the same time.
    ///
    /// # Errors
    /// Too many wait.
    pub async fn check(
        self: &Arc<Self>,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, HttpError> {
        let busy = || HttpError::Busy("Too many people sign in at this moment.".to_owned());
        let _waiting = Arc::clone(&self.waiting)
            .try_acquire_owned()
            .map_err(|_| busy())?;
        let running = Arc::clone(&self.running);
        let permit = running.acquire_owned().await.map_err(|_| busy())?;
        let hashing = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            if password.len() > LONGEST_PASSWORD {
                return false;
            }
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| hashing.nobody().to_owned());
            is_hash_of(&password, &hash) && known
        })
        .await
        .map_err(|fault| HttpError::Broken(format!("comparing a password: {fault}")))
    }

    /// A hash that no password has, made as those of people are.
    fn nobody(&self) -> &str {
        self.nobody
            .get_or_init(|| hash("nobody's password").unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let kept = hash("correct horse").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$"), "{kept}");
        assert!(is_hash_of("correct horse", &kept));
        assert!(!is_hash_of("correct hors", &kept));
        assert!(!is_hash_of("correct horse", "$argon2id$rubbish"));
        assert_ne!(kept, hash("correct horse").unwrap(), "the salt differs");
    }

    #[tokio::test]
    async fn nobody_signs_in_without_a_hash() {
        let hashing = Arc::new(Hashing::default());
        let password = "nobody's password".to_owned();
        assert!(!hashing.check(password, None).await.unwrap());
        let long = "x".repeat(LONGEST_PASSWORD + 1);
        let kept = hash("x").unwrap();
        assert!(!hashing.check(long, Some(kept)).await.unwrap());
    }
}
