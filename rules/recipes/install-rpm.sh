# Packages into the tree at $OUT, with this machine's rpm. ARCH, DOCS.

[ -e "$root$database" ] || die "there is no database of rpm in the tree"
mounted 1777
install_closure
unmounted
settle_database
settle_tree
