# Shared by recipes that run a tree's own programs: what must differ from machine to machine. Made while building, it would be
# one for all; so it is taken out, and there is something that makes it when a machine first starts. What was in the tree
# $OUT before stays: somebody put it there.

# What it is, where it lies, who makes it again, and where it is a line of a configuration, that line. Names and patterns have
# no blanks; `*` only in the last part of a path. `-`: nobody, so it is not taken, and only told by the check `unique`.
UNIQUE='host-key etc/ssh/ssh_host_*_key host-keys
host-key etc/ssh/ssh_host_*_key.pub host-keys
host-key etc/dropbear/dropbear_*_host_key host-keys
host-key etc/ssh/ssh_host_key -
host-key etc/ssh/ssh_host_*_key-cert.pub -
host-key etc/tinyssh/sshkeydir/.*.sk -
key root/.ssh/id_* -
machine-id etc/machine-id systemd
machine-id etc/popularity-contest.conf derived ^MY_HOSTID=.?[0-9a-f]{32}
dbus-id var/lib/dbus/machine-id dbus
cloud-id var/lib/cloud/data/instance-id -
cloud-id var/lib/cloud/data/previous-instance-id -
seed var/lib/systemd/random-seed systemd
seed var/lib/random-seed runit
seed var/lib/seedrng/seed.* openrc
seed var/lib/misc/random-seed openrc
seed var/lib/urandom/random-seed sysvinit
seed boot/loader/random-seed systemd
seed loader/random-seed systemd
secret var/lib/systemd/credential.secret systemd
certificate etc/ssl/private/ssl-cert-snakeoil.key -
name etc/iscsi/initiatorname.iscsi iscsi ^InitiatorName=.
name etc/nvme/hostid -
name etc/nvme/hostnqn -
name etc/hostid -
name etc/dhcpcd.duid -
name var/lib/dhcpcd/duid -
secret var/lib/dhcpcd/secret -
secret var/lib/NetworkManager/secret_key -
secret etc/pacman.d/gnupg/private-keys-v1.d/*.key -
key etc/dropbear/initramfs/dropbear_*_host_key -
key etc/bind/rndc.key -
key etc/munge/munge.key -
array etc/mdadm/mdadm.conf - ^ARRAY.*UUID=
array etc/mdadm.conf - ^ARRAY.*UUID=
backup etc/passwd- nobody
backup etc/group- nobody
backup etc/shadow- nobody
backup etc/gshadow- nobody
backup etc/subuid- nobody
backup etc/subgid- nobody'

# unique_left [taken]: a line `WHAT PATH` for each such file that the tree has; `taken`: of those that are taken out. An empty
# one, and a link, is none; nor is what systemd writes where there was none yet.
unique_left() {
    printf '%s\n' "$UNIQUE" | while read -r un_what un_path un_by un_line; do
        [ "$un_by" != - ] || [ "${1:-}" != taken ] || continue
        un_dir=$(inside "${un_path%/*}/x")
        for un_file in "${un_dir%/x}"/${un_path##*/}; do
            { [ ! -L "$un_file" ] && [ -f "$un_file" ] && [ -s "$un_file" ]; } || continue
            [ "$un_path" != etc/machine-id ] || [ "$(cat "$un_file")" != uninitialized ] || continue
            [ -z "$un_line" ] || grep -qE -e "$un_line" "$un_file" || continue
            [ "$un_by" != iscsi ] || [ "${1:-}" != taken ] || makes_initiator || continue
            echo "$un_what ${un_path%/*}/${un_file##*/}"
        done
    done
}

# What was left before: tree.sh and inside.sh look.
unique_before=

# take_unique: what has been made since this recipe began. Who makes the host keys is in the tree afterwards.
take_unique() {
    unique_left taken | while read -r ta_line; do
        case "
$unique_before
" in *"
$ta_line
"*) continue ;; esac
        ta_path=${ta_line#* }
        ta_at=$(inside "$ta_path")
        case $ta_line in
            backup*) echo "$ta_path is what accounts were while building, and is taken out" ;;
            *) echo "$ta_path is for each machine to make, and is taken out" ;;
        esac
        echo "${ta_line%% *}" >>"$TMPDIR/taken"
        case $ta_path in
            # machine-id(5): empty in an image that is to be many machines. Without systemd nobody would fill it. It is not
            # `uninitialized`: with that systemd's presets would turn on and off what the Imagefile did not say.
            etc/machine-id) if has_systemd; then : >"$ta_at"; else rm "$ta_at"; fi ;;
            # A shell reads it, whoever asks: so it is the machine's, and no other's.
            etc/popularity-contest.conf)
                # shellcheck disable=SC2016 # who reads the file expands it
                sed -E 's:^MY_HOSTID=.*:MY_HOSTID="$(cat /etc/machine-id /var/lib/dbus/machine-id 2>/dev/null | md5sum | cut -c 1-32)":' \
                    "$ta_at" >"$TMPDIR/config"
                cat "$TMPDIR/config" >"$ta_at"
                ;;
            etc/iscsi/*) if has_generate_name; then echo GenerateName=yes >"$ta_at"; else rm "$ta_at"; fi ;;
            *) rm "$ta_at" ;;
        esac
    done
    ! grep -qsx host-key "$TMPDIR/taken" || host_keys
}

# Whether a machine gives itself a name for iSCSI: Debian's tools where the file asks for it, Fedora's where there is none.
has_generate_name() { says GenerateName=yes lib/open-iscsi/startup-checks.sh usr/lib/open-iscsi/startup-checks.sh; }
makes_initiator() { has_generate_name || present usr/lib/systemd/system/iscsi-init.service; }

# says PATTERN PATH...: whether one of these files of the tree has a line of it.
says() {
    sa_word=$1
    shift
    for sa_path; do
        sa_at=$(real "$sa_path")
        ! grep -qsE -e "$sa_word" "$sa_at" || return 0
    done
    return 1
}
has_systemd() { present usr/lib/systemd/systemd lib/systemd/systemd; }
# Debian's OpenRC and runit run the scripts of sysvinit too, with the links that its update-rc.d makes.
has_sysv() { present usr/sbin/update-rc.d && present usr/sbin/openrc sbin/openrc sbin/startpar usr/sbin/startpar lib/runit/runit-init usr/lib/runit/runit-init; }
has_daemon() { present usr/sbin/sshd usr/bin/sshd usr/sbin/dropbear usr/bin/dropbear; }

# units: a line for each unit of a daemon that the tree has; one that a socket starts is an instance.
units() {
    for un_unit in ssh.service ssh@.service sshd.service sshd@.service dropbear.service; do
        ! present "usr/lib/systemd/system/$un_unit" "lib/systemd/system/$un_unit" || echo "$un_unit"
    done
}

# A service that makes host keys, or a daemon that is told to (dropbear's -R).
KEYGEN='sshd?-keygen|sshd-?gen-?keys|ssh-keygen -A|dropbear(-keygen|key |.*[ =]-[A-Za-z]*R)'

# makes_host_keys: whether a service of the tree makes host keys. Those of Arch, Fedora and Void do, Debian's do not: since 13 it
# has one, which runs only where there is no /etc/machine-id at all. Ours counts when it is disabled too.
makes_host_keys() {
    if has_systemd; then
        for mk_dir in usr/lib/systemd/system lib/systemd/system; do
            ! present "$mk_dir/imagemake-host-keys.service" || return 0
            ! says '^ConditionFirstBoot=' "$mk_dir/sshd-keygen.service" "$mk_dir/sshd-keygen@.service" || continue
            # CentOS 7's makes the types that its settings name: none, where there are none.
            ! present "$mk_dir/sshd-keygen.service" ||
                ! says "^AUTOCREATE_SERVER_KEYS=[\"']?(NO)?[\"']?[[:space:]]*\$" etc/sysconfig/sshd || continue
            for mk_unit in $(units); do
                ! says "$KEYGEN" "$mk_dir/$mk_unit" || return 0
            done
        done
        return 1
    fi
    says "$KEYGEN" etc/sv/sshd/run etc/sv/ssh/run etc/sv/dropbear/run etc/init.d/ssh etc/init.d/sshd etc/init.d/dropbear ||
        present etc/init.d/imagemake-host-keys etc/runit/core-services/09-imagemake-host-keys.sh
}

# host_keys: a service that makes them, for the init system that the tree has.
host_keys() {
    has_daemon && ! makes_host_keys || return 0
    if has_systemd; then
        host_keys_systemd
    elif present etc/runit/core-services; then
        # Void's runit.
        host_keys_script
        put_unique etc/runit/core-services/09-imagemake-host-keys.sh 644 <<'END'
# Host keys of this machine, where there are none yet.
/usr/lib/imagemake/host-keys
END
    elif has_sysv; then
        host_keys_sysv
    else
        echo "host keys: the tree has none, and no init system that is known here (systemd, OpenRC, runit, sysvinit):" \
            "nothing makes them, so its daemon does not start"
    fi
}

# put_unique PATH MODE: standard input as a file of the tree, root's.
put_unique() {
    make_directories "${1%/*}"
    pu_to=$(inside "$1")
    rm -f "$pu_to"
    echo "$1: host keys are made when a machine first starts"
    cat >"$pu_to"
    chown 0:0 "$pu_to"
    chmod "$2" "$pu_to"
}

host_keys_script() {
    put_unique usr/lib/imagemake/host-keys 755 <<'END'
#!/bin/sh
# Makes the host keys of this machine that are not there: they are in no image, which is for many machines.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
if command -v sshd >/dev/null; then ssh-keygen -A; fi
if command -v dropbearkey >/dev/null; then
    for type in rsa ecdsa ed25519; do
        key=/etc/dropbear/dropbear_${type}_host_key
        [ -s "$key" ] || { rm -f "$key" && dropbearkey -t "$type" -f "$key"; }
    done
fi
END
}

host_keys_systemd() {
    host_keys_script
    put_unique usr/lib/systemd/system/imagemake-host-keys.service 644 <<END
[Unit]
Description=Host keys of this machine, made when it first starts
Before=$(units | paste -s -d " ")
RequiresMountsFor=/etc/ssh
ConditionFileNotEmpty=|!/etc/ssh/ssh_host_rsa_key
ConditionFileNotEmpty=|!/etc/ssh/ssh_host_ecdsa_key
ConditionFileNotEmpty=|!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/lib/imagemake/host-keys

[Install]
WantedBy=$(units | paste -s -d " ")
END
    for hk_unit in $(units); do
        make_directories "etc/systemd/system/$hk_unit.wants"
        hk_at=$(inside "etc/systemd/system/$hk_unit.wants/imagemake-host-keys.service")
        [ -L "$hk_at" ] || ln -s /usr/lib/systemd/system/imagemake-host-keys.service "$hk_at"
    done
}

# For OpenRC of Debian, which reads these headers, and for sysvinit.
host_keys_sysv() {
    host_keys_script
    put_unique etc/init.d/imagemake-host-keys 755 <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides:          imagemake-host-keys
# Required-Start:    $remote_fs
# Required-Stop:
# X-Start-Before:    ssh dropbear
# Default-Start:     2 3 4 5
# Default-Stop:
# Short-Description: Host keys of this machine, made when it first starts
### END INIT INFO
case ${1:-} in
    start) exec /usr/lib/imagemake/host-keys ;;
    stop | status | restart | force-reload) ;;
    *) echo "Usage: $0 start" >&2; exit 2 ;;
esac
END
    # The tree's own tool knows where that goes, and reads the other services' headers.
    [ -d "$OUT/dev" ] || mkdir -m 755 "$OUT/dev"
    mount --rbind /dev "$OUT/dev"
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$OUT" update-rc.d imagemake-host-keys defaults ||
        die "update-rc.d failed for etc/init.d/imagemake-host-keys"
    umount -l "$OUT/dev"
}
