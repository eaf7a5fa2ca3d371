# Packages into the tree at $OUT, from repo/ alone: the host's apt decides, the tree's own dpkg installs.
# ARCH, CPU. Nothing of the build stays in the tree.

[ -x "$root/usr/bin/dpkg" ] || die "there is no dpkg in the tree, so packages cannot be installed in it"
names=$(closure)
emulate_foreign "$ARCH" "$CPU"

# All of /run and /tmp is gone afterwards.
mounted run
mkdir -m 1777 "$root/run/lock"
mkdir "$root/run/repo"
mount --bind "$PWD/repo" "$root/run/repo"

# No service starts while we install.
policy=$(inside usr/sbin/policy-rc.d)
[ -e "$policy" ] || [ -L "$policy" ] || {
    touch -r "${policy%/*}" "$TMPDIR/sbin"
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    policy_made=yes
}

state=$TMPDIR/apt
mkdir -p "$state/lists/partial" "$state/archives/partial" "$state/log"
: >"$state/sources.list"
echo "deb [trusted=yes] file:$(uri "$root/run/repo") ./" >"$state/sources.list"
cat >"$state/apt.conf" <<END
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::Etc::sourcelist "$state/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "$state";
Dir::State::lists "$state/lists";
Dir::State::status "$root/var/lib/dpkg/status";
Dir::State::extended_states "$state/extended_states";
Dir::Cache "$state";
Dir::Cache::archives "$state/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "$state/log";
APT::Architecture "$ARCH";
APT::Architectures { "$ARCH"; };
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "root";
APT::Get::Assume-Yes "true";
APT::Get::Upgrade "false";
APT::Get::Remove "false";
Acquire::Languages "none";
DPkg::Chroot-Directory "$root";
DPkg::Use-Pty "false";
Dir::Bin::dpkg "env";
DPkg::Options { "--unset=APT_CONFIG"; "TMPDIR=/tmp"; "/usr/bin/dpkg"; "--force-unsafe-io"; "--force-confold"; "--log=/dev/null";
$(excludes | sed 's/.*/"--&";/')
};
END
with_apt() { for_scripts TMPDIR="$TMPDIR" APT_CONFIG="$state/apt.conf" apt-get -q "$@"; }
answers "$(real var/cache/debconf)"
with_apt update
# shellcheck disable=SC2086 # names are words
[ -z "$names" ] || with_apt install $names

# Every package of the closure has to be there now: what resolves here must be what was resolved before.
installed=$(dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Package} ${Version} ${Status}\n')
awk '/^Package:/ { p = $2 } /^Version:/ { print p, $2 }' repo/Packages | while read -r name version; do
    grep -qxF "$name $version install ok installed" <<<"$installed" ||
        die "$name $version was resolved, but apt did not install it"
done

if [ -n "${policy_made:-}" ]; then
    rm "$policy"
    touch -r "$TMPDIR/sbin" "${policy%/*}"
fi
umount "$root/run/repo"
unmounted
clean_tree
mark_automatic
# Directories that are there for the mounts alone go again; one that came with a package is as the package has it, which
# dpkg does not see to where it is there before.
for dir in $mo_made; do
    mkdir -p "$TMPDIR/packaged"
    for deb in repo/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -xp -C "$TMPDIR/packaged" --no-recursion "./$dir/" 2>/dev/null || :
    done
    if [ -d "$TMPDIR/packaged/$dir" ]; then
        chown --reference="$TMPDIR/packaged/$dir" "$root/$dir"
        chmod --reference="$TMPDIR/packaged/$dir" "$root/$dir"
    else
        rmdir "$root/$dir"
    fi
done
