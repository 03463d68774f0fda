#!/usr/bin/env bash
# A PostgreSQL on this machine, for the tests beside this file. As root:
#
#     server.sh install              with apt; no server is started
#     server.sh start FOLDER PORT    on loopback, as the user postgres; all its files lie in FOLDER, which must be new
#     server.sh stop FOLDER
#
# It has the user "tried" with the password "secret", and the database "studies".
set -euo pipefail

programs() {
    dirname "$(ls -d /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)"
}

install() {
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && return
    export DEBIAN_FRONTEND=noninteractive
    # the server that the package would begin is not wanted, only the programs
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}

start() {
    local bin
    bin=$(programs)
    mkdir -p "$1"
    printf secret > "$1/password"
    chown -R postgres "$1"
    cd /
    runuser -u postgres -- "$bin/initdb" --pgdata="$1/data" --username=tried --pwfile="$1/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync >/dev/null
    runuser -u postgres -- "$bin/pg_ctl" --pgdata="$1/data" --log="$1/log" --wait start \
        --options="-p $2 -c listen_addresses=127.0.0.1 -c unix_socket_directories='$1' -c fsync=off" >/dev/null
    PGPASSWORD=secret "$bin/createdb" --host=127.0.0.1 --port="$2" --username=tried studies
}

stop() {
    cd /
    runuser -u postgres -- "$(programs)/pg_ctl" --pgdata="$1/data" --mode=immediate --wait stop >/dev/null
}

"$@"
