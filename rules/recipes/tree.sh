# Shared by recipes that run a tree's own programs: what the build leaves behind in it, and emulation.

# Documentation is left out, licences are not.
EXCLUDES='path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/locale/locale.alias
path-exclude=/usr/share/lintian/*'

# Environment of maintainer scripts: nobody to ask, no initrd (it is made from the finished tree), no order
# that depends on a hash's seed.
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes
export INITRD=No PYTHONHASHSEED=0

# closure: the names of all packages in repo/. The closure is what is installed, and all of it as if asked for
# by name: a list that changes without changing its closure must not change the tree.
closure() { sed -n 's/^Package: //p' repo/Packages | sort; }

# uri DIR: a directory's path as it stands in sources.list.
uri() { printf '%s' "$1" | sed 's/%/%25/g; s/ /%20/g; s/\[/%5B/g; s/\]/%5D/g'; }

# emulate ARCH: sees to it that the kernel runs programs of ARCH. Registers qemu where it is installed but
# not registered (containers, or a user namespace, which has registrations of its own since Linux 6.7).
emulate() {
    [ "$1" = "$(dpkg --print-architecture)" ] && return
    case $1-$(dpkg --print-architecture) in i386-amd64) return ;; esac
    case $1 in
        amd64) em_cpu=x86_64 ;;
        arm64) em_cpu=aarch64 ;;
        armhf) em_cpu=arm ;;
        ppc64el) em_cpu=ppc64le ;;
        *) em_cpu=$1 ;;
    esac
    em_dir=/proc/sys/fs/binfmt_misc
    [ -e "$em_dir/register" ] || mount -t binfmt_misc binfmt_misc "$em_dir" ||
        die "programs of $1 cannot run here: binfmt_misc cannot be mounted (load the module, or build as root)"
    if [ -e "$em_dir/qemu-$em_cpu" ]; then
        grep -q '^enabled' "$em_dir/qemu-$em_cpu" ||
            die "programs of $1 cannot run here: qemu-$em_cpu is registered but off (update-binfmts --enable qemu-$em_cpu)"
        grep -q '^flags:.*F' "$em_dir/qemu-$em_cpu" ||
            die "programs of $1 cannot run in a chroot: qemu-$em_cpu is registered without the flag F (install qemu-user-static)"
        return
    fi
    em_conf=/usr/lib/binfmt.d/qemu-$em_cpu.conf
    [ -e "$em_conf" ] || die "programs of $1 cannot run here: install qemu-user-static"
    # The file ends in a line feed, which the kernel does not mind; it wants one line in one write.
    grep -v '^#' "$em_conf" >"$em_dir/register" ||
        die "programs of $1 cannot run here: the kernel refused $em_conf"
}

# clean_tree: removes from $OUT what package tools leave behind: logs, caches, locks, backups, the build's own
# configuration, and what must differ from machine to machine.
clean_tree() {
    ct_=${1:-$OUT}
    rm -f "$ct_"/etc/apt/apt.conf.d/99mmdebstrap "$ct_"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
    rm -f "$ct_"/var/log/dpkg.log "$ct_"/var/log/alternatives.log "$ct_"/var/log/bootstrap.log \
        "$ct_"/var/log/fontconfig.log "$ct_"/var/log/apt/*.log "$ct_"/var/log/apt/*.xz
    rm -f "$ct_"/var/cache/apt/*.bin "$ct_"/var/cache/apt/archives/lock "$ct_"/var/lib/apt/lists/lock
    rm -f "$ct_"/var/lib/dpkg/*-old "$ct_"/var/lib/dpkg/lock "$ct_"/var/lib/dpkg/lock-frontend \
        "$ct_"/var/lib/dpkg/triggers/Lock "$ct_"/var/cache/debconf/*-old "$ct_"/var/cache/ldconfig/aux-cache
    for ct_file in passwd group shadow gshadow subuid subgid; do
        rm -f "$ct_/etc/$ct_file-" "$ct_/etc/.$ct_file.lock" "$ct_/etc/$ct_file.lock"
    done
    rm -f "$ct_"/etc/.pwd.lock
    # An identity or secret of the build machine's making would be the same in every image.
    rm -f "$ct_"/var/lib/dbus/machine-id "$ct_"/var/lib/systemd/random-seed "$ct_"/var/lib/systemd/credential.secret \
        "$ct_"/etc/ssh/ssh_host_*_key "$ct_"/etc/ssh/ssh_host_*_key.pub
    # machine-id(5): empty in an image that is to be many machines.
    if [ -s "$ct_/etc/machine-id" ]; then : >"$ct_/etc/machine-id"; fi
    find "$ct_/dev" "$ct_/proc" "$ct_/sys" "$ct_/run" "$ct_/tmp" -mindepth 1 -xdev ! -path "$ct_/run/lock" -delete 2>/dev/null || :
}
