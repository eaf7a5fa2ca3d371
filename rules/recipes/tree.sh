# Shared by recipes that run a tree's own programs: what the build leaves behind in it.

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
