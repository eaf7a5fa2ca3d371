# Makes $OUT the content of /nix: a store with $PACKAGES and what $LIST0, … hold in the default profile, for $SYSTEM. The
# expressions are in the tarball repo/nixpkgs.tar.gz, or in the directory $EXPRESSION.
#
# Store paths are right only in /nix, so all of it runs in a root directory of its own, made of the host's directories
# and a /nix that is ours: the host's is neither needed nor seen. In a namespace of its own, also where the engine
# has none: nothing of this may be mounted for anybody else.
[ -n "${INSIDE:-}" ] || INSIDE=yes exec unshare --mount --propagation private bash -O inherit_errexit -eu -o pipefail "$0"

set -f # names are names
stage=$PWD
root=$stage/.root

# names: the attributes that are wanted, one a line.
# shellcheck disable=SC2086 # names are words
names() { { printf '%s\n' $PACKAGES; lists; } | sort -u; }

# make_root: the host's directories, but for /nix and what builds are told from.
make_root() {
    mkdir "$root" "$stage/.nix" "$stage/.build" "$stage/.conf"
    mount -t tmpfs -o mode=755 root "$root"
    find / -mindepth 1 -maxdepth 1 -printf '%f\n' | while IFS= read -r mr_name; do
        case $mr_name in nix | build) continue ;; esac
        if [ -L "/$mr_name" ]; then
            ln -s "$(readlink "/$mr_name")" "$root/$mr_name"
        elif [ -d "/$mr_name" ]; then
            mkdir "$root/$mr_name"
            mount --rbind "/$mr_name" "$root/$mr_name"
        fi
    done
    mkdir "$root/nix" "$root/build"
    # Builds see their directory's name: it must not be the stage's, which is another one each time.
    mount --bind "$stage/.build" "$root/build"
}

# in_nix DIR COMMAND…: runs it where DIR is /nix.
in_nix() {
    mount --bind "$1" "$root/nix"
    shift
    in_status=0
    chroot "$root" env -C "$stage" TMPDIR=/build NIX_CONF_DIR="$stage/.conf" "$@" || in_status=$?
    umount "$root/nix"
    return "$in_status"
}

configure() {
    cat >"$stage/.conf/nix.conf" <<END
build-users-group =
sandbox = false
system = $SYSTEM
max-jobs = auto
keep-build-log = false
END
    [ -n "${SUBSTITUTE:-}" ] || echo 'substituters =' >>"$stage/.conf/nix.conf"
    [ ! -e /etc/ssl/certs/ca-certificates.crt ] || export NIX_SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
}

expression() {
    [ -n "${REPO:-}" ] || { printf '%s\n' "$stage/$EXPRESSION"; return; }
    mkdir "$stage/.build/nixpkgs"
    tar -C "$stage/.build/nixpkgs" --no-same-owner --strip-components=1 -xzf repo/nixpkgs.tar.gz
    echo /build/nixpkgs
}

# finish_database: nothing in it of when it was made.
finish_database() {
    rm -f "$1"/big-lock "$1"/reserved
    sqlite3 "$1/db.sqlite" >/dev/null \
        "PRAGMA journal_mode = DELETE; UPDATE ValidPaths SET registrationTime = $SOURCE_DATE_EPOCH; VACUUM;"
}

[ -n "$(names)" ] || die "no packages: the list is empty"
make_root
configure
profile=/nix/var/nix/profiles/default
# shellcheck disable=SC2046 # names are words
in_nix .nix nix-env --profile "$profile" --file "$(expression)" --install --attr $(names)
# Only what the profile needs when it runs: no derivations, no compilers.
in_nix .nix nix-store --query --requisites "$profile" >.paths
# shellcheck disable=SC2046 # paths in a store have no blanks
in_nix .nix nix-store --dump-db $(cat .paths) >.dump
generation=$(readlink .nix/var/nix/profiles/default-1-link)
mkdir -p "$OUT/store"
while read -r path; do mv ".nix/store/${path#/nix/store/}" "$OUT/store/"; done <.paths
in_nix "$OUT" nix-store --load-db <.dump
finish_database "$OUT/var/nix/db"
rm -rf "$OUT/var/log" "$OUT/var/nix/gc.lock"
for name in temproots gcroots/auto; do
    rm -rf "${OUT:?}/var/nix/$name"
    mkdir -p "$OUT/var/nix/$name"
done
ln -s "$generation" "$OUT/var/nix/profiles/default-1-link"
ln -s default-1-link "$OUT/var/nix/profiles/default"
