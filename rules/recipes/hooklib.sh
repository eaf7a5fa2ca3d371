# For customisation hooks: `. "$HOOKLIB"`, in any shell. What a helper does is noted in $HOOKSTATE, and undone by its
# counterpart, by cleanup, or after the hook has ended, however it ended; each at most once, and the last one first.
# docs/hooks.md has it for those who write hooks. Names that begin with hook_ are the library's own.

# hook_in PATH: where that lies in the tree. Its directory must not lead out of it.
hook_in() {
    hook_dir=$(realpath -m -- "$HOOKROOT/$(dirname -- "$1")")
    case $hook_dir/ in
        "$HOOKROOT"/*) printf '%s/%s\n' "$hook_dir" "$(basename -- "$1")" ;;
        *) hook_die "$1 leads out of the tree, to $hook_dir" ;;
    esac
}
hook_die() {
    echo "hook: $*" >&2
    return 1
}

# hook_begin NAME: what follows is undone under that name; false where it is done already.
hook_begin() {
    [ ! -e "$HOOKSTATE/$1" ] || return 1
    : >"$HOOKSTATE/$1"
    hook_name=$1
    printf '%s\n' "$1" >>"$HOOKSTATE/order"
}
# hook_note COMMAND PATH…: undoes what comes next; noted before it is done, so that no moment is left uncovered.
hook_note() {
    { printf '%s\n' "$*" && cat "$HOOKSTATE/$hook_name"; } >"$HOOKSTATE/new"
    mv "$HOOKSTATE/new" "$HOOKSTATE/$hook_name"
}
# hook_undo NAME: undoes it, the last thing first.
hook_undo() {
    [ -e "$HOOKSTATE/$1" ] || return 0
    while read -r hook_how hook_what; do
        "hook_$hook_how" "$hook_what" || hook_die "$1 could not be undone: $hook_how $hook_what" || return
    done <"$HOOKSTATE/$1"
    rm "$HOOKSTATE/$1"
    grep -vx "$1" "$HOOKSTATE/order" >"$HOOKSTATE/new" || :
    mv "$HOOKSTATE/new" "$HOOKSTATE/order"
    echo "hook: undone: $1" >&2
}

# What is noted. Paths are in the tree, and have no blanks.
hook_unmount() {
    hook_at=$(hook_in "$1") || return
    ! mountpoint -q "$hook_at" || umount -l "$hook_at"
}
hook_rmdir() {
    hook_at=$(hook_in "$1") || return
    [ ! -d "$hook_at" ] || rmdir "$hook_at"
}
hook_restore() {
    hook_at=$(hook_in "$1") || return
    hook_saved=$HOOKSTATE/saved/$1
    if [ -e "$hook_saved" ] || [ -L "$hook_saved" ]; then
        rm -f "$hook_at"
        mv "$hook_saved" "$hook_at"
    elif [ -e "$HOOKSTATE/absent/$1" ]; then
        rm -f "$hook_at"
    fi
}

# hook_aside PATH: a file is out of the way until that is undone.
hook_aside() {
    hook_at=$(hook_in "$1") || return
    hook_note restore "$1"
    if [ -e "$hook_at" ] || [ -L "$hook_at" ]; then
        mkdir -p "$HOOKSTATE/saved/$(dirname "$1")"
        # A copy first: a move that was cut off would leave neither.
        cp -a "$hook_at" "$HOOKSTATE/new" && mv "$HOOKSTATE/new" "$HOOKSTATE/saved/$1" && rm "$hook_at"
    else
        mkdir -p "$HOOKSTATE/absent/$1"
    fi
}
# hook_mount PATH WORD…: mounts there until that is undone.
hook_mount() {
    hook_at=$(hook_in "$1") || return
    hook_path=$1
    shift
    if [ ! -d "$hook_at" ]; then
        hook_note rmdir "$hook_path"
        mkdir "$hook_at" || return
    fi
    hook_note unmount "$hook_path"
    mount "$@" "$hook_at"
}

# chroot ROOT COMMAND…: the tree's programs get a home and a directory for temporary files that the tree has, and apt
# writes a log and no progress bars.
chroot() {
    hook_config=
    [ ! -e "$HOOKROOT/run/imagemake-apt.conf" ] || hook_config=APT_CONFIG=/run/imagemake-apt.conf
    env HOME=/root TMPDIR=/tmp $hook_config chroot "$@"
}

# export_env: nobody is there to answer a package's questions.
export_env() {
    export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes
    export LC_ALL=C LANG=C INITRD=No PYTHONHASHSEED=0
}

# mount_proc: /proc, /sys and /dev, and /run and /tmp that are empty and stay outside of the image. With network, the
# names of the world are found.
mount_proc() {
    hook_begin mount_proc || return 0
    hook_mount dev --rbind /dev || return
    hook_mount proc -t proc proc || return
    hook_mount sys --rbind /sys || return
    hook_mount run -t tmpfs -o mode=755 tmpfs || return
    hook_mount tmp -t tmpfs -o mode=1777 tmpfs || return
    mkdir -m 1777 "$HOOKROOT/run/lock"
    cat >"$HOOKROOT/run/imagemake-apt.conf" <<'END'
APT::Get::Assume-Yes "true";
APT::Color "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
DPkg::Progress-Fancy "false";
DPkg::Use-Pty "false";
DPkg::Options { "--force-confold"; "--force-unsafe-io"; };
quiet "1";
END
    if [ -n "$ONLINE" ] && [ -d "$HOOKROOT/etc" ]; then
        hook_aside etc/resolv.conf || return
        cat /etc/resolv.conf >"$hook_at"
    fi
}

# cleanup: undoes all that is not undone yet.
cleanup() {
    while [ -s "$HOOKSTATE/order" ]; do
        hook_undo "$(tail -n 1 "$HOOKSTATE/order")" || return
    done
}

# disable_daemons, remove_daemon_block: packages do not start the services that they bring.
disable_daemons() {
    hook_begin disable_daemons || return 0
    [ -d "$HOOKROOT/usr/sbin" ] || return 0
    hook_aside usr/sbin/policy-rc.d || return
    hook_at=$(hook_in usr/sbin/policy-rc.d) || return
    printf '#!/bin/sh\nexit 101\n' >"$hook_at"
    chmod 755 "$hook_at"
}
remove_daemon_block() { hook_undo disable_daemons; }

# hook_source WORD…: a source as it stands in sources.list: options in brackets, in as many words as they have, a place, a
# suite and components, `main` unless said. Sets hook_options (with a blank at its end, or empty), hook_place, hook_suites.
hook_source() {
    hook_options='' hook_place='' hook_suites=''
    case $1 in
        '['*)
            while [ $# != 0 ]; do
                hook_options="$hook_options$1 "
                shift
                case $hook_options in *']'*) break ;; esac
            done
            # A place may follow in the same word: '[trusted=yes] DIR'.
            case $hook_options in *']'*) ;; *) hook_die "$hook_caller: a ] is missing in $hook_options"; return ;; esac
            hook_place=${hook_options#*]}
            hook_options="${hook_options%%]*}] "
            hook_place=${hook_place#"${hook_place%%[! ]*}"}
            hook_place=${hook_place%"${hook_place##*[! ]}"}
            ;;
    esac
    if [ -z "$hook_place" ]; then
        [ $# != 0 ] || { hook_die "$hook_caller: a mirror is missing after $hook_options"; return; }
        hook_place=$1
        shift
    fi
    [ $# != 0 ] || { hook_die "$hook_caller: a suite is missing after $hook_place"; return; }
    case $#-$1 in 1-*/) ;; 1-*) set -- "$1" main ;; esac
    hook_suites=$*
}

# prepare_apt_source [MIRROR SUITE [COMPONENT…]]: apt takes packages from there, a URL or a directory; without
# arguments from the packages of the step itself. What apt fetches stays outside of the image.
prepare_apt_source() {
    [ -d "$HOOKROOT/etc/apt" ] || { hook_die "prepare_apt_source: there is no apt in the tree (etc/apt)"; return; }
    if [ $# = 0 ]; then
        [ -n "${REPO:-}" ] || { hook_die "prepare_apt_source: without arguments it is for the step's packages, and it has none"; return; }
        set -- '[trusted=yes]' "$REPO" ./
    fi
    hook_caller=prepare_apt_source
    hook_source "$@" || return
    mount_proc || return
    hook_begin prepare_apt_source || return 0
    case $hook_place in
        file:*) hook_place=${hook_place#file:} hook_place=/${hook_place#"${hook_place%%[!/]*}"} ;;
        *:*) ;;
        # A directory of the stage, such as one of the step's inputs.
        *) hook_place=$(realpath -m -- "$hook_place") || return ;;
    esac
    case $hook_place in
        /*)
            [ -d "$hook_place" ] || { hook_die "prepare_apt_source: there is no directory $hook_place"; return; }
            hook_mount run/imagemake-mirror --rbind "$hook_place" || return
            hook_place=file:/run/imagemake-mirror
            ;;
        *:*) [ -n "$ONLINE" ] || { hook_die "prepare_apt_source: $hook_place needs network: true"; return; } ;;
    esac
    hook_aside etc/apt/sources.list || return
    for hook_file in "$HOOKROOT"/etc/apt/sources.list.d/*.list "$HOOKROOT"/etc/apt/sources.list.d/*.sources; do
        [ ! -e "$hook_file" ] && [ ! -L "$hook_file" ] || hook_aside "etc/apt/sources.list.d/${hook_file##*/}" || return
    done
    hook_mount var/lib/apt/lists -t tmpfs -o mode=755 tmpfs || return
    mkdir "$hook_at/partial"
    hook_mount var/cache/apt -t tmpfs -o mode=755 tmpfs || return
    mkdir -p "$hook_at/archives/partial"
    hook_at=$(hook_in etc/apt/sources.list) || return
    echo "deb $hook_options$hook_place $hook_suites" >"$hook_at"
    chroot "$HOOKROOT" apt-get update
}
# replace_apt_source [MIRROR SUITE [COMPONENT…]]: the image's own source again, or this one.
replace_apt_source() {
    hook_undo prepare_apt_source || return
    [ $# != 0 ] || return 0
    hook_caller=replace_apt_source
    hook_source "$@" || return
    hook_at=$(hook_in etc/apt/sources.list) || return
    rm -f "$hook_at"
    echo "deb $hook_options$hook_place $hook_suites" >"$hook_at"
}
