# A root filesystem of RPM packages into $OUT. ARCH, DOCS.

chmod 755 "$root"
mkdir -p "$root$database"
mounted
install_closure
unmounted
settle_modes
settle_database
settle_tree
