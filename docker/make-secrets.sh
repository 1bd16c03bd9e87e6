#!/bin/sh
# Makes what docker-compose.yml mounts as secrets; what is there already stays. Run once, beside docker-compose.yml:
#   sh docker/make-secrets.sh
# The directory is closed to others, the files inside are not: Compose mounts them as they are, and the containers'
# users (10001, postgres, redis) have to read them.
set -eu
directory=${1:-secrets}
mkdir -p "$directory"
chmod 700 "$directory"

make_one() { # name, command that prints it
  [ -e "$directory/$1" ] && return
  "$2" | tr -d '\n' >"$directory/.$1.new"
  chmod 444 "$directory/.$1.new"
  mv "$directory/.$1.new" "$directory/$1"
  echo "made $directory/$1"
}
password() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
signing_key() { head -c 48 /dev/urandom | base64 | tr '+/' '-_'; }
fernet_key() { head -c 32 /dev/urandom | base64 | tr '+/' '-_'; }

make_one database_password password
make_one redis_password password
make_one secret_key signing_key
make_one encryption_keys fernet_key
