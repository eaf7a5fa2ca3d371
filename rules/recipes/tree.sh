# Shared by recipes that run a tree's own programs: what the build leaves behind in it.

unique_before=$(unique_left)

# What package tools leave behind: the build's own configuration, logs, caches, locks, backups. `*` only in the last part.
BEHIND='etc/apt/apt.conf.d/99mmdebstrap
etc/dpkg/dpkg.cfg.d/99mmdebstrap
var/log/dpkg.log
var/log/alternatives.log
var/log/bootstrap.log
var/log/fontconfig.log
var/log/apt/*.log
var/log/apt/*.xz
var/cache/apt/*.bin
var/cache/apt/archives/lock
var/cache/debconf/*-old
var/cache/ldconfig/aux-cache
var/lib/apt/lists/lock
var/lib/dpkg/*-old
var/lib/dpkg/lock
var/lib/dpkg/lock-frontend
var/lib/dpkg/triggers/Lock
etc/.pwd.lock
etc/passwd-
etc/group-
etc/shadow-
etc/gshadow-
etc/subuid-
etc/subgid-
etc/passwd.lock
etc/group.lock
etc/shadow.lock
etc/gshadow.lock
etc/subuid.lock
etc/subgid.lock'

# behind: what of that is in the tree, as `<time of change> <path>`, and all that lies where a running system has its own, as
# `there <path>`. A link in the tree, /var/log -> /data, never leads to this machine's files.
behind() {
    {
        printf '%s\n' "$BEHIND" | while read -r be_path; do
            be_at=$(inside "$be_path")
            [ -d "${be_at%/*}" ] || continue
            find "${be_at%/*}" -xdev -mindepth 1 -maxdepth 1 -name "${be_path##*/}" ! -type d -printf '%C@ %p\0'
        done
        for be_dir in dev proc sys run tmp; do
            [ ! -d "$OUT/$be_dir" ] ||
                find "$OUT/$be_dir" -xdev -mindepth 1 ! -path "$OUT/run/lock" -printf 'there %p\0'
        done
    } | LC_ALL=C sort -z
}
behind >"$TMPDIR/behind"

# clean_tree: removes from $OUT what has been left behind since this recipe began, and what each machine has to make for itself.
# What was there before stays: somebody put it there.
clean_tree() {
    nothing_mounted
    # What lies in a directory comes before it; one that holds what stays does, too.
    behind | LC_ALL=C comm -z -13 "$TMPDIR/behind" - | sed -z 's/^[^ ]* //' | LC_ALL=C sort -zr |
        while IFS= read -r -d '' ct_path; do
            if [ -d "$ct_path" ] && [ ! -L "$ct_path" ]; then
                rmdir --ignore-fail-on-non-empty -- "$ct_path"
            else
                rm -f -- "$ct_path"
            fi
        done
    take_unique
}
