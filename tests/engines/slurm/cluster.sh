#!/usr/bin/env bash
# A SLURM cluster of one node on this machine, for the tests beside this file. As root:
#
#     cluster.sh install           with apt
#     cluster.sh start FOLDER      all its files and sockets lie in FOLDER; prints the path of its slurm.conf
#     cluster.sh stop FOLDER
#     cluster.sh blind FOLDER OTHER   its node no longer sees the folder OTHER
#     cluster.sh sighted FOLDER       it does again
#
# Without accounting, as on many clusters. Its cores are made up: jobs wait for those, and share the real ones.
set -euo pipefail

install() {
    command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null && return
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # the services of the packages are not wanted, only their programs
    apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
}

configuration() {
    cat <<END
ClusterName=tried
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$2
SlurmdPort=$3
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$1/munge.socket
CredType=cred/munge
StateSaveLocation=$1/state
SlurmdSpoolDir=$1/spool
SlurmctldPidFile=$1/slurmctld.pid
SlurmdPidFile=$1/slurmd.pid
SlurmctldLogFile=$1/log/slurmctld.log
SlurmdLogFile=$1/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,batch_sched_delay=0,sched_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
KillWait=5
NodeName=$(hostname -s) CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP
PartitionName=short Nodes=ALL MaxTime=2 State=UP
END
}

start() {
    mkdir -p "$1"/state "$1"/spool "$1"/log
    chmod 755 "$1"
    (umask 077 && head -c 1024 /dev/urandom > "$1/munge.key")
    configuration "$1" "${SLURMCTLD_PORT:-27817}" "${SLURMD_PORT:-27818}" > "$1/slurm.conf"
    munged --force --socket="$1/munge.socket" --key-file="$1/munge.key" --pid-file="$1/munged.pid" \
        --log-file="$1/log/munged.log" --seed-file="$1/munge.seed"
    export SLURM_CONF="$1/slurm.conf"
    slurmctld -c
    slurmd
    for _ in $(seq 100); do
        sinfo --noheader --format=%t 2>/dev/null | grep -q idle && break
        sleep 0.1
    done
    sinfo --noheader --format=%t | grep -q idle || { tail "$1"/log/*.log >&2; exit 1; }
    echo "$1/slurm.conf"
}

# under the same name: the controller only sees that the node has been started anew
blind() {
    kill "$(cat "$1/slurmd.pid")"
    sleep 1
    SLURM_CONF="$1/slurm.conf" unshare --mount sh -c 'mount -t tmpfs none "$0" && slurmd' "$2"
}

sighted() {
    kill "$(cat "$1/slurmd.pid")"
    sleep 1
    SLURM_CONF="$1/slurm.conf" slurmd
}

stop() {
    for name in slurmd slurmctld munged; do
        [ -s "$1/$name.pid" ] && kill "$(cat "$1/$name.pid")" 2>/dev/null || true
    done
}

"$@"
