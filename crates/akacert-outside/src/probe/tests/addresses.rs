//! Which addresses the self-check connects to.

use super::*;
use crate::address::refusal;

#[test]
fn only_public_addresses_are_connected_to() {
    let cases = [
        ("93.184.215.14", None),
        ("2606:2800:21f:cb07::1", None),
        ("127.0.0.1", Some(Refusal::Loopback)),
        ("127.255.0.9", Some(Refusal::Loopback)),
        ("::1", Some(Refusal::Loopback)),
        ("169.254.169.254", Some(Refusal::LinkLocal)),
        ("fe80::1", Some(Refusal::LinkLocal)),
        ("fd00:ec2::254", Some(Refusal::Metadata)),
        ("100.100.100.200", Some(Refusal::Metadata)),
        ("168.63.129.16", Some(Refusal::Metadata)),
        ("192.0.0.192", Some(Refusal::Metadata)),
        ("0.0.0.0", Some(Refusal::NotAHost)),
        ("0.1.2.3", Some(Refusal::NotAHost)),
        ("224.0.0.1", Some(Refusal::NotAHost)),
        ("255.255.255.255", Some(Refusal::NotAHost)),
        ("::", Some(Refusal::NotAHost)),
        ("::127.0.0.1", Some(Refusal::NotAHost)),
        ("ff02::1", Some(Refusal::NotAHost)),
        ("10.0.0.1", Some(Refusal::Private)),
        ("172.15.255.255", None),
        ("172.16.0.1", Some(Refusal::Private)),
        ("172.31.255.255", Some(Refusal::Private)),
        ("172.32.0.0", None),
        ("192.168.1.1", Some(Refusal::Private)),
        ("100.64.0.1", Some(Refusal::Private)),
        ("100.127.255.255", Some(Refusal::Private)),
        ("100.128.0.1", None),
        ("198.18.0.1", Some(Refusal::Private)),
        ("192.0.2.1", Some(Refusal::Private)),
        ("203.0.113.7", Some(Refusal::Private)),
        ("240.0.0.1", Some(Refusal::Private)),
        ("fc00::1", Some(Refusal::Private)),
        ("fd12::1", Some(Refusal::Private)),
        ("fec0::1", Some(Refusal::Private)),
        ("2001:db8::1", Some(Refusal::Private)),
        ("2001::1", Some(Refusal::Private)),
        ("4000::1", Some(Refusal::Private)),
        // IPv4 in IPv6, in all its forms.
        ("::ffff:127.0.0.1", Some(Refusal::Loopback)),
        ("::ffff:169.254.169.254", Some(Refusal::LinkLocal)),
        ("::ffff:93.184.215.14", None),
        ("64:ff9b::a9fe:a9fe", Some(Refusal::LinkLocal)),
        ("64:ff9b::7f00:1", Some(Refusal::Loopback)),
        ("64:ff9b:1::a00:1", Some(Refusal::Private)),
        ("2002:a00:1::1", Some(Refusal::Private)),
        ("2002:7f00:1::1", Some(Refusal::Loopback)),
    ];
    for (address, expected) in cases {
        assert_eq!(refusal(address.parse().unwrap(), &[]), expected, "{address}");
    }
}

#[test]
fn an_operator_flag_allows_private_ranges_and_never_metadata_or_the_link() {
    let cases = [
        ("10.0.0.1", "10.0.0.0/8", true),
        ("10.0.0.1", "10.1.0.0/16", false),
        ("10.0.0.1", "0.0.0.0/0", true),
        ("::ffff:10.0.0.1", "10.0.0.0/8", true),
        ("fd12::1", "fd12::/16", true),
        ("127.0.0.1", "127.0.0.0/8", true),
        ("127.0.0.1", "0.0.0.0/0", false),
        ("::1", "::1/128", true),
        ("::1", "::/0", false),
        ("169.254.169.254", "169.254.0.0/16", false),
        ("fe80::1", "fe80::/10", false),
        ("fd00:ec2::254", "fd00::/8", false),
        ("100.100.100.200", "100.64.0.0/10", false),
        ("0.0.0.0", "0.0.0.0/0", false),
        ("224.0.0.1", "0.0.0.0/0", false),
    ];
    for (address, range, expected) in cases {
        let allowed = refusal(address.parse().unwrap(), &[range.parse().unwrap()]).is_none();
        assert_eq!(allowed, expected, "{address} by {range}");
    }
}

#[tokio::test]
async fn a_refused_address_is_not_connected_to_even_if_the_others_are_public() {
    let port = serve("127.0.0.1", 0, |_| ok(BODY)).await;
    let nothing_allowed = ProbeSettings { allowed: vec![], ..settings(port) };
    let names = Names(HashMap::from([("www.example.com", at(&["93.184.215.14", "127.0.0.1"]))]));
    assert_eq!(
        check(nothing_allowed, names).await,
        Err(ProbeFailure::AddressRefused { address: "127.0.0.1".parse().unwrap(), why: Refusal::Loopback })
    );
}

#[test]
fn a_refusal_names_the_flag_only_where_it_helps() {
    let message = |address: &str| {
        let address = address.parse().unwrap();
        ProbeFailure::AddressRefused { address, why: refusal(address, &[]).unwrap() }.to_string()
    };
    assert_eq!(
        message("10.0.0.1"),
        "the name resolves to 10.0.0.1, a private or reserved address, to which the self-check does not connect: correct \
         the record, or have the operator started with --probe-allow"
    );
    assert_eq!(
        message("169.254.169.254"),
        "the name resolves to 169.254.169.254, a link-local address, to which the self-check does not connect: correct \
         the record"
    );
}

#[tokio::test]
async fn a_name_without_an_address_and_one_that_cannot_be_resolved_are_told_apart() {
    let with = |found| Names(HashMap::from([("www.example.com", found)]));
    assert_eq!(check(settings(1), with(Ok(vec![]))).await, Err(ProbeFailure::NoAddress));
    assert_eq!(check(settings(1), with(Err(LookupFailure::NoSuchName))).await, Err(ProbeFailure::NoAddress));
    assert_eq!(check(settings(1), with(Err(LookupFailure::Failed))).await, Err(ProbeFailure::Unresolved));
}
