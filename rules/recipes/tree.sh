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

unique_before=$(unique_left)

# clean_tree: removes from $OUT what package tools leave behind: logs, caches, locks, backups, the build's own configuration,
# and what each machine has to make for itself. A link in the tree, /var/log -> /data, never leads to this machine's files.
clean_tree() {
    nothing_mounted
    delete etc/apt/apt.conf.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap
    delete var/log/dpkg.log var/log/alternatives.log var/log/bootstrap.log var/log/fontconfig.log \
        'var/log/apt/*.log' 'var/log/apt/*.xz'
    delete 'var/cache/apt/*.bin' var/cache/apt/archives/lock var/lib/apt/lists/lock
    delete 'var/lib/dpkg/*-old' var/lib/dpkg/lock var/lib/dpkg/lock-frontend var/lib/dpkg/triggers/Lock \
        'var/cache/debconf/*-old' var/cache/ldconfig/aux-cache
    for ct_file in passwd group shadow gshadow subuid subgid; do
        delete "etc/$ct_file-" "etc/$ct_file.lock"
    done
    delete etc/.pwd.lock
    take_unique
    for ct_dir in dev proc sys run tmp; do
        [ ! -d "$OUT/$ct_dir" ] || find "$OUT/$ct_dir" -xdev -mindepth 1 ! -path "$OUT/run/lock" -delete
    done
}
