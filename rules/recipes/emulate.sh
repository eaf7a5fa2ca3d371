# Shared by recipes that run a tree's own programs on a machine of another kind.

# Programs of 32 bits are told of a machine of 32 bits, or packages configure themselves for one that they do not run on:
# everything again from the beginning, where nothing has been done yet.
case ${CPU:-${HOOKCPU:-}}-$(uname -m) in
    i386-x86_64) exec setarch i386 "$BASH" -O inherit_errexit -eu -o pipefail "$0" ;;
esac

# emulate_cpu ARCH CPU: sees to it that the kernel runs programs of ARCH, with qemu's CPU. Registers qemu where it
# is installed but not registered (containers, or a user namespace, which has registrations of its own since
# Linux 6.7).
emulate_cpu() {
    ec_cpu=$2
    ec_dir=/proc/sys/fs/binfmt_misc
    [ -e "$ec_dir/register" ] || mount -t binfmt_misc binfmt_misc "$ec_dir" ||
        die "programs of $1 cannot run here: binfmt_misc cannot be mounted (load the module, or build as root)"
    if [ -e "$ec_dir/qemu-$ec_cpu" ]; then
        grep -q '^enabled' "$ec_dir/qemu-$ec_cpu" ||
            die "programs of $1 cannot run here: qemu-$ec_cpu is registered but off (update-binfmts --enable qemu-$ec_cpu)"
        grep -q '^flags:.*F' "$ec_dir/qemu-$ec_cpu" ||
            die "programs of $1 cannot run in a chroot: qemu-$ec_cpu is registered without the flag F (install qemu-user-static)"
        return
    fi
    ec_conf=/usr/lib/binfmt.d/qemu-$ec_cpu.conf
    [ -e "$ec_conf" ] || die "programs of $1 cannot run here: install qemu-user-static"
    # The file ends in a line feed, which the kernel does not mind; it wants one line in one write.
    grep -v '^#' "$ec_conf" >"$ec_dir/register" ||
        die "programs of $1 cannot run here: the kernel refused $ec_conf"
}

# emulate_foreign ARCH CPU: the same, where this machine does not run programs of CPU itself.
emulate_foreign() {
    case $2-$(uname -m) in
        i386-x86_64 | i386-i?86 | arm-armv*) ;;
        *) [ "$2" = "$(uname -m)" ] || emulate_cpu "$1" "$2" ;;
    esac
}
