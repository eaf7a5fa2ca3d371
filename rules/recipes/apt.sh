# Shared by recipes that install Debian packages, from repo/ alone.

# Documentation is left out, licences are not.
EXCLUDES='path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/locale/locale.alias
path-exclude=/usr/share/lintian/*'

# closure: the names of all packages in repo/. The closure is what is installed, and all of it as if asked for
# by name: a list that changes without changing its closure must not change the tree.
closure() { sed -n 's/^Package: //p' repo/Packages | sort; }

# uri DIR: a directory's path as it stands in sources.list.
uri() { printf '%s' "$1" | sed 's/%/%25/g; s/ /%20/g; s/\[/%5B/g; s/\]/%5D/g'; }

# for_scripts COMMAND…: with the environment that packages' scripts may see, and nothing of ours: nobody to ask, no initrd
# (it is made from the finished tree), no order that depends on a hash's seed. NAME=VALUE before the command adds to it.
for_scripts() {
    env -i PATH="$PATH" HOME=/root LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
        DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes \
        INITRD=No PYTHONHASHSEED=0 "$@"
}
