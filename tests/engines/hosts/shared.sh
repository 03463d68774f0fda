#!/usr/bin/env bash
# A folder that several made-up machines share, for the tests beside this file: mounted by sshfs once for each, without a
# network. As root, or where /dev/fuse is open to this user:
#
#     shared.sh install                  with apt
#     shared.sh mount FOLDER PLACE…      at each place
#     shared.sh unmount PLACE…
set -euo pipefail

install() {
    command -v sshfs >/dev/null && [ -x /usr/lib/openssh/sftp-server ] && return
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends sshfs openssh-sftp-server fuse3 >/dev/null
}

# sshfs speaks to the server of sftp itself, which ssh would begin on the other machine
mount() {
    local folder=$1 place
    shift
    for place in "$@"; do
        mkdir -p "$place"
        sshfs -o ssh_command="$(dirname "$(realpath "${BASH_SOURCE[0]}")")/server.sh" "shared:$folder" "$place"
    done
}

unmount() {
    local place
    for place in "$@"; do
        fusermount3 -u "$place"
    done
}

"$@"
