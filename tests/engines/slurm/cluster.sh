#!/usr/bin/env bash
# A SLURM cluster of two nodes, both on this machine, for the tests beside this file. As root:
#
#     cluster.sh install           with apt
#     cluster.sh start FOLDER      all its files and sockets lie in FOLDER; prints the path of its slurm.conf
#     cluster.sh stop FOLDER
#     cluster.sh blind FOLDER OTHER   its nodes no longer see the folder OTHER
#     cluster.sh sighted FOLDER       they do again
#
# Without accounting, as on many clusters. Cores are made up: jobs wait for those, and share the real ones. Jobs in the
# partition urgent take the place of those in the others, which are put back into the queue.
set -euo pipefail

NODES="first second"

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
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$1/munge.socket
CredType=cred/munge
StateSaveLocation=$1/state
SlurmdSpoolDir=$1/spool.%n
SlurmctldPidFile=$1/slurmctld.pid
SlurmdPidFile=$1/slurmd.%n.pid
SlurmctldLogFile=$1/log/slurmctld.log
SlurmdLogFile=$1/log/slurmd.%n.log
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
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$(hardware "$3")
PartitionName=DEFAULT Nodes=ALL State=UP PriorityTier=1
PartitionName=main Default=YES MaxTime=60
PartitionName=short MaxTime=2
PartitionName=minute MaxTime=1
PartitionName=paid MaxTime=60 AllowAccounts=lab
PartitionName=urgent MaxTime=60 PriorityTier=2
END
}

# hardware PORT: the lines of the nodes, each with a port of its own
hardware() {
    local place=0 node
    for node in $NODES; do
        echo "NodeName=$node NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$(($1 + place)) CPUs=2 Boards=1 SocketsPerBoard=1" \
            "CoresPerSocket=2 ThreadsPerCore=1 RealMemory=2000 State=UNKNOWN"
        place=$((place + 1))
    done
}

# begin FOLDER COMMAND…: start the nodes, each by the command
begin() {
    local folder=$1 node
    shift
    for node in $NODES; do
        mkdir -p "$folder/spool.$node"
        SLURM_CONF="$folder/slurm.conf" "$@" slurmd -N "$node"
    done
}

end() {
    local node
    for node in $NODES; do
        kill "$(cat "$1/slurmd.$node.pid")"
    done
    sleep 1
}

idle() {
    sinfo --noheader --partition=main --Node --states=idle --format=%N | wc -l
}

start() {
    mkdir -p "$1"/state "$1"/log
    chmod 755 "$1"
    (umask 077 && head -c 1024 /dev/urandom > "$1/munge.key")
    configuration "$1" "${SLURMCTLD_PORT:-27817}" "${SLURMD_PORT:-27818}" > "$1/slurm.conf"
    munged --force --socket="$1/munge.socket" --key-file="$1/munge.key" --pid-file="$1/munged.pid" \
        --log-file="$1/log/munged.log" --seed-file="$1/munge.seed"
    export SLURM_CONF="$1/slurm.conf"
    slurmctld -c
    begin "$1" env
    for _ in $(seq 100); do
        [ "$(idle 2>/dev/null)" = "$(wc -w <<< "$NODES")" ] && break
        sleep 0.1
    done
    [ "$(idle)" = "$(wc -w <<< "$NODES")" ] || { tail "$1"/log/*.log >&2; exit 1; }
    echo "$1/slurm.conf"
}

# under the same names: the controller only sees that the nodes have been started anew
blind() {
    end "$1"
    begin "$1" unshare --mount sh -c 'mount -t tmpfs none "$0" && exec "$@"' "$2"
}

sighted() {
    end "$1"
    begin "$1" env
}

stop() {
    local file
    for file in "$1"/slurmd.*.pid "$1/slurmctld.pid" "$1/munged.pid"; do
        [ -s "$file" ] && kill "$(cat "$file")" 2>/dev/null || true
    done
}

"$@"
