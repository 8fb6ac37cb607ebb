//! Dynamic updates of a zone (RFC 2136), signed with a shared key (TSIG, RFC 8945), over TCP. The caller chooses
//! server and zone, and checks the server's address.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hickory_proto::op::{Message, OpCode, Query, ResponseCode, UpdateMessage};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::rdata::tsig::{
    TSIG, TsigAlgorithm as Algorithm, TsigError, make_tsig_record, message_tbs, signed_bitmessage_to_buf,
};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use secrecy::{ExposeSecret, SecretSlice};

use super::{absolute, wire};

/// The longest time for a whole update.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many seconds the clocks may differ (RFC 8945, section 10).
const FUDGE: u16 = 300;

/// The longest string in a TXT record.
const LONGEST_STRING: usize = 255;

/// The signature algorithm of a TSIG key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// HMAC-SHA256.
    HmacSha256,
    /// HMAC-SHA384.
    HmacSha384,
    /// HMAC-SHA512.
    HmacSha512,
}

impl TsigAlgorithm {
    fn of_hickory(self) -> Algorithm {
        match self {
            TsigAlgorithm::HmacSha256 => Algorithm::HmacSha256,
            TsigAlgorithm::HmacSha384 => Algorithm::HmacSha384,
            TsigAlgorithm::HmacSha512 => Algorithm::HmacSha512,
        }
    }
}

/// A key that the operator shares with a name server. `Debug` omits the secret, and dropping the key wipes it from
/// memory.
#[derive(Clone, Debug)]
pub struct TsigKey {
    /// The key's name on both sides.
    pub name: String,
    /// The algorithm of its signatures.
    pub algorithm: TsigAlgorithm,
    /// The decoded secret.
    pub secret: SecretSlice<u8>,
}

/// Why a zone could not be updated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// A name or a value cannot be sent.
    #[error("the zone, the record or the key has a name that is no DNS name: correct it")]
    Malformed,
    /// The connection could not be made, or broke.
    #[error(
        "the name server at {0} cannot be reached over TCP: see that it listens there, and that no firewall is in between"
    )]
    Unreachable(SocketAddr),
    /// The answer did not come in time.
    #[error(
        "the name server at {0} did not answer in time: see that it runs, and that no firewall is in between"
    )]
    Timeout(SocketAddr),
    /// The name server does not know the key.
    #[error(
        "the name server does not know the TSIG key `{0}` with this algorithm: correct its name and algorithm, or \
         configure it there"
    )]
    UnknownKey(String),
    /// The name server has another secret for the key.
    #[error("the name server has another secret for the TSIG key `{0}`: correct the Secret")]
    BadSignature(String),
    /// The clocks differ.
    #[error(
        "the clocks of the operator and of the name server differ by more than {FUDGE} seconds: set them"
    )]
    Clock,
    /// The answer is not signed as required.
    #[error(
        "the name server's answer is not signed with the TSIG key `{0}`: see that the address is that of the name server"
    )]
    Unverified(String),
    /// The name server does not serve the zone.
    #[error(
        "the name server is not authoritative for the zone {0}: name the zone's primary server, or correct the zone"
    )]
    NotAuthoritative(String),
    /// The zone's policy forbids it.
    #[error(
        "the name server refuses updates of the zone {0} with this key: allow it there (BIND: update-policy or allow-update)"
    )]
    Refused(String),
    /// The record is outside the zone.
    #[error("the record is not within the zone {0}: correct the zone")]
    NotInZone(String),
    /// The name server had an internal failure.
    #[error("the name server failed at the update of the zone {0}: look at its log")]
    Failed(String),
    /// The name server does not support updates, or answers with an unspecific error.
    #[error(
        "the name server does not take updates of the zone {0} (response code {1}): see that it supports RFC 2136"
    )]
    Unsupported(String, u16),
}

/// Updates zones on one server.
#[derive(Clone, Debug)]
pub struct Updater {
    server: SocketAddr,
    key: TsigKey,
}

impl Updater {
    /// An updater for a server. The caller has checked that it may connect to the address.
    #[must_use]
    pub fn new(server: SocketAddr, key: TsigKey) -> Self {
        Self { server, key }
    }

    /// Adds values to the TXT records of a name. Existing values stay, whoever put them there.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub async fn add_txt(
        &self,
        zone: &str,
        name: &str,
        values: &[String],
        ttl: u32,
    ) -> Result<(), UpdateError> {
        self.change(zone, name, values, |record| record.ttl = ttl).await
    }

    /// Removes values from the TXT records of a name. Other values stay. A value that does not exist counts as
    /// removed.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub async fn remove_txt(&self, zone: &str, name: &str, values: &[String]) -> Result<(), UpdateError> {
        // RFC 2136, section 2.5.4.
        self.change(zone, name, values, |record| record.dns_class = DNSClass::NONE).await
    }

    async fn change(
        &self,
        zone: &str,
        name: &str,
        values: &[String],
        set: impl Fn(&mut Record),
    ) -> Result<(), UpdateError> {
        let malformed = |_| UpdateError::Malformed;
        let (apex, name) = (absolute(zone).map_err(malformed)?, absolute(name).map_err(malformed)?);
        let mut section = Query::query(apex, RecordType::SOA);
        section.set_query_class(DNSClass::IN);
        let mut update = Message::query();
        update.metadata.op_code = OpCode::Update;
        update.metadata.recursion_desired = false;
        update.add_zone(section);
        for value in values {
            let strings = value.as_bytes().chunks(LONGEST_STRING).collect();
            let mut record = Record::from_rdata(name.clone(), 0, RData::TXT(TXT::from_bytes(strings)));
            set(&mut record);
            update.add_update(record);
        }
        self.send(zone, update).await
    }

    async fn send(&self, zone: &str, mut update: Message) -> Result<(), UpdateError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| UpdateError::Clock)?.as_secs();
        let mac = self.sign(&mut update, now)?;
        let request = update.to_vec().map_err(|_| UpdateError::Malformed)?;
        let exchange = tokio::time::timeout(TIMEOUT, wire::over_tcp(self.server, &request));
        let answer = exchange
            .await
            .map_err(|_| UpdateError::Timeout(self.server))?
            .map_err(|_| UpdateError::Unreachable(self.server))?;
        self.judge(zone, &answer, update.metadata.id, &mac, now)
    }

    /// Signs an update without copying the secret. Returns the signature, which the server's answer refers to.
    fn sign(&self, update: &mut Message, now: u64) -> Result<Vec<u8>, UpdateError> {
        let name = self.key_name()?;
        let algorithm = self.key.algorithm.of_hickory();
        let stub = TSIG::new(algorithm.clone(), now, FUDGE, Vec::new(), update.metadata.id, None, Vec::new());
        let signed = message_tbs(update, &stub, &name).map_err(|_| UpdateError::Malformed)?;
        let mac = algorithm
            .mac_data(self.key.secret.expose_secret(), &signed)
            .map_err(|_| UpdateError::UnknownKey(self.key.name.clone()))?;
        update.set_signature(Box::new(make_tsig_record(name, stub.set_mac(mac.clone()))));
        Ok(mac)
    }

    fn key_name(&self) -> Result<Name, UpdateError> {
        Ok(absolute(&self.key.name).map_err(|_| UpdateError::Malformed)?.to_lowercase())
    }

    /// An error counts even without a signature, because a server that does not know the key cannot sign. Anyone who
    /// can forge an error can just as well drop the answer. A success has to be signed.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the list of response codes is open (RFC 6895)")]
    fn judge(&self, zone: &str, answer: &[u8], id: u16, mac: &[u8], now: u64) -> Result<(), UpdateError> {
        let key = || self.key.name.clone();
        let unverified = || UpdateError::Unverified(key());
        let message = Message::from_vec(answer).map_err(|_| unverified())?;
        if message.metadata.id != id {
            return Err(unverified());
        }
        match message.signature().and_then(|signature| signature.data.error) {
            Some(TsigError::BadKey) => return Err(UpdateError::UnknownKey(key())),
            Some(TsigError::BadSig | TsigError::BadTrunc) => return Err(UpdateError::BadSignature(key())),
            Some(TsigError::BadTime) => return Err(UpdateError::Clock),
            Some(_) | None => {}
        }
        let zone = zone.to_owned();
        match message.metadata.response_code {
            ResponseCode::NoError if self.is_signed(answer, mac, now) => Ok(()),
            ResponseCode::NoError => Err(unverified()),
            ResponseCode::NotAuth => Err(UpdateError::NotAuthoritative(zone)),
            ResponseCode::Refused => Err(UpdateError::Refused(zone)),
            ResponseCode::NotZone => Err(UpdateError::NotInZone(zone)),
            ResponseCode::ServFail => Err(UpdateError::Failed(zone)),
            other => Err(UpdateError::Unsupported(zone, other.into())),
        }
    }

    fn is_signed(&self, answer: &[u8], mac: &[u8], now: u64) -> bool {
        let Ok((signed, record)) = signed_bitmessage_to_buf(answer, Some(mac), true) else { return false };
        let algorithm = self.key.algorithm.of_hickory();
        let tsig = &record.data;
        self.key_name().is_ok_and(|name| name == record.name)
            && tsig.algorithm == algorithm
            && tsig.time.abs_diff(now) <= u64::from(FUDGE)
            && algorithm.verify_mac(self.key.secret.expose_secret(), &signed, &tsig.mac).is_ok()
    }
}
