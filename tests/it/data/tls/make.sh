# Makes the certificates beside it, valid for 100 years. The keys protect nothing.
set -e
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
days=36500
key ca.key
openssl req -x509 -new -key ca.key -days $days -subj "/CN=pgcleave test authority" -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" -out ca.crt
sign() { # name, san
  key "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  printf 'basicConstraints=CA:FALSE\nsubjectAltName=%s\n' "$2" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days $days -extfile "$1.ext" -out "$1.crt"
}
sign server "DNS:db.test,DNS:localhost,IP:127.0.0.1"
sign client "DNS:client"
# version 1: no extensions
key v1.key
openssl req -new -key v1.key -subj "/CN=db.test" -out v1.csr
openssl x509 -req -in v1.csr -signkey v1.key -days $days -out v1.crt
# an empty list, and one that names the server's certificate
: > index.txt; echo 01 > crlnumber
cat > ca.cnf <<C
[ca]
default_ca=d
[d]
database=index.txt
crlnumber=crlnumber
default_md=sha256
default_crl_days=36500
C
openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.crt -out none.crl
openssl ca -config ca.cnf -revoke server.crt -keyfile ca.key -cert ca.crt
openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.crt -out revoked.crl
