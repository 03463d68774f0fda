#!/bin/sh
# what stands for ssh: the server of sftp, on this machine
exec /usr/lib/openssh/sftp-server
