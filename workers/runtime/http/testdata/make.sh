#!/bin/sh
# Makes the certificates of the tests anew. They protect nothing: their keys are public, and those of the authorities are
# thrown away.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
authority() { # name
  key "$work/$1.key"
  openssl req -x509 -new -key "$work/$1.key" -subj "/CN=$1" -days 36500 -out "$1.crt"
  : >"$work/$1.txt"
  cat >"$work/$1.cnf" <<END
[ca]
default_ca = one
[one]
database = $work/$1.txt
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
subjectAltName = DNS:localhost,IP:127.0.0.1
extendedKeyUsage = serverAuth,clientAuth
END
}
signed() { # name, authority, beginning, end
  key "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$work/$1.csr"
  openssl ca -batch -notext -config "$work/$2.cnf" -cert "$2.crt" -keyfile "$work/$2.key" \
    -startdate "$3" -enddate "$4" -in "$work/$1.csr" -out "$1.crt"
}
begin=20200101000000Z end=21200101000000Z
authority ca
authority other-ca
for name in server-1 server-2 server-3 client; do signed $name ca $begin $end; done
signed expired ca $begin 20210101000000Z
signed future ca 21190101000000Z $end
signed stranger other-ca $begin $end
