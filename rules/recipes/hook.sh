# The script $SCRIPT of the user's on the tree at $OUT, called with the root directory as its one argument. ARCH: as the
# tree's packages call it, HOOKCPU: its processor, both may be empty; ONLINE: not empty where the network may be used. What
# its helpers (hooklib.sh) did is undone here, whether it ended well, badly or by a signal.

HOOKROOT=$(realpath "$OUT")
HOOKLIB=$(realpath .recipe/hooklib.sh)
HOOKSTATE=$TMPDIR/hook
export HOOKROOT HOOKLIB HOOKSTATE
mkdir "$HOOKSTATE"
if [ -n "${REPO:-}" ]; then REPO=$(realpath "$REPO"); fi
# shellcheck source=/dev/null # checked by itself
. "$HOOKLIB"
traces "$TMPDIR/traces"

# Programs of the tree may run, where this machine can run them at all.
[ -z "$HOOKCPU" ] || (emulate_foreign "$ARCH" "$HOOKCPU") || echo "so the script cannot run programs of the tree"
unset HOOKCPU

# only_the_tree: of this machine the script may change /tmp, and nothing else: one that was written to be run within a
# chroot would purge packages here. No socket is left in /run either, by which it would stop services.
only_the_tree() {
    ot_resolver=$(realpath -m /etc/resolv.conf)
    ot_servers=$(cat /etc/resolv.conf 2>/dev/null) || ot_servers=
    mount -t tmpfs -o mode=755 run /run
    case $ONLINE-$ot_resolver in
        yes-/run/*)
            mkdir -p "${ot_resolver%/*}"
            printf '%s\n' "$ot_servers" >"$ot_resolver"
            ;;
    esac
    set --
    for ot_path in /* /.[!.]*; do
        case $ot_path in /dev | /proc | /sys | /run | /tmp | "$PWD") continue ;; esac
        [ -L "$ot_path" ] || ! mountpoint -q "$ot_path" || set -- "$@" "$ot_path"
    done
    # mount_setattr, for all mounts below as well: in a user namespace a remount would clear what must stay.
    perl -e '
        my $read_only = pack "Q4", 1, 0, 0, 0;
        for (@ARGV) { syscall(442, -100, $_, 0x8000, $read_only, 32) == 0 or die "$_ cannot be made read-only: $!\n" }
    ' "$@"
    mkdir -m 1777 "$TMPDIR/var-tmp"
    [ ! -d /var/tmp ] || mount --bind "$TMPDIR/var-tmp" /var/tmp
}
# Without namespaces it would be so for everybody.
case $PWD in /imagemake) only_the_tree ;; esac

# Without `#!` it is a script for sh.
# By its own name, also where that is a link: what it looks for beside itself is there.
script=$(realpath --no-symlinks "$SCRIPT")
if [ "$(head -c 2 "$script")" = '#!' ]; then
    case $(head -n 1 "$script") in
        *"$(printf '\r')")
            echo "$SCRIPT has line ends of DOS (CRLF), and its first line names a program that ends in one: save it with LF" >&2
            exit 1
            ;;
    esac
    chmod u+x "$script"
    set -- "$script"
else
    set -- sh "$script"
fi
# TERM reaches the script too; what it did is undone all the same.
trap : TERM
status=0
PATH=${script%/*}:$PATH "$@" "$HOOKROOT" || status=$?
cleanup || { [ "$status" != 0 ] || status=1; }
[ "$status" = 0 ] || { echo "$SCRIPT ended with status $status" >&2; exit "$status"; }

clean_tree
remove_traces "$TMPDIR/traces"
password_days
