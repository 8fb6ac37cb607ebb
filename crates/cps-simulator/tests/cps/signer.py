"""Calls the simulator with Akamai's own signer, and prints the answers."""

import sys

import requests
from akamai.edgegrid import EdgeGridAuth

base, client_token, client_secret, access_token, body = sys.argv[1:]
media = "application/vnd.akamai.cps.{}+json".format
switch = {"accountSwitchKey": "1-ABCD:1-2RBL"}


def session(secret):
    """A session that signs with this secret."""
    new = requests.Session()
    new.trust_env = False
    new.auth = EdgeGridAuth(client_token=client_token, client_secret=secret, access_token=access_token)
    return new


def get(secret, **parameters):
    """Lists the enrollments."""
    url = base + "/cps/v2/enrollments"
    return session(secret).get(url, params={"contractId": "C-1", **parameters}, headers={"Accept": media("enrollments.v11")})


def post(secret, **parameters):
    """Creates an enrollment."""
    headers = {"Accept": media("enrollment-status.v1"), "Content-Type": media("enrollment.v11")}
    url = base + "/cps/v2/enrollments"
    return session(secret).post(url, params={"contractId": "C-1", **parameters}, headers=headers, data=body)


print("GET", get(client_secret).status_code)
print("GET with accountSwitchKey", get(client_secret, **switch).status_code)
print("POST", post(client_secret).status_code)
print("POST with accountSwitchKey", post(client_secret, **switch).status_code)
for name, call in [("GET", get), ("POST", post)]:
    answer = call("wrong")
    print(name, "with a wrong secret", answer.status_code, answer.json()["detail"])
