// The files of a live desktop of Void that no package has: runit's second stage, what it runs before services start, and
// what a session finds. Text only; where each goes is in ../void-live.ts.

/** What the files are told. */
export interface Desktop {
  readonly user: string;
  readonly groups: readonly string[];
  /** The desktop's name, as lightdm's session files have it. */
  readonly session: string;
  /** Whether there is a nix store. */
  readonly nix: boolean;
}

/** As runit-void has it, with the live system's own setup before services. */
export const STAGE_2 = /* sh, not SC2013: words are meant */ `#!/bin/sh
PATH=/usr/bin:/usr/sbin
runlevel=default
for arg in $(cat /proc/cmdline); do
    if [ -d "/etc/runit/runsvdir/$arg" ]; then runlevel=$arg; fi
done
[ -x /etc/rc.local ] && /etc/rc.local
/etc/runit/live-setup.sh
runsvchdir "\${runlevel}"
mkdir -p /run/runit/runsvdir
ln -sfn /etc/runit/runsvdir/current /run/runit/runsvdir/current
exec env - PATH=$PATH runsvdir -P /run/runit/runsvdir/current 'log: ...........................................................................................................................................................................................................................................................................................................................................................................................................'
`;

/** Groups, sudo, nix and the graphics card of the machine that it runs on, before any service starts. */
export const liveSetup = ({
  user,
  groups,
  nix,
}: Desktop): string => /* sh, not SC2043: there are several */ `#!/bin/sh
# Runs once at each start of the live system. A step that fails must not keep it from starting.
user=${user}
for group in ${groups.join(" ")}; do
    grep -q "^$group:" /etc/group || continue
    usermod -a -G "$group" "$user" || :
done
mkdir -p /etc/sudoers.d
printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\\n' "$user" >/etc/sudoers.d/live
chmod 440 /etc/sudoers.d/live
${nix ? NIX_SETUP : ""}# Without Avahi the C library waits for it with every name.
[ ! -f /etc/nsswitch.conf ] || sed -i '/^hosts:/s/mdns[^ ]* *//g' /etc/nsswitch.conf

mkdir -p /etc/X11/xorg.conf.d /etc/profile.d
device() { printf 'Section "Device"\\n    Identifier "%s"\\n    Driver "%s"\\n%sEndSection\\n' "$1" "$2" "$3"; }
cards=$(lspci -nn 2>/dev/null | grep -E 'VGA|3D|Display')
case $cards in
    *[Vv]irtio* | *VMware* | *QEMU* | *VirtualBox* | *Bochs* | *Cirrus* | *QXL*)
        device virtual modesetting '    Option "AccelMethod" "none"
' >/etc/X11/xorg.conf.d/20-gpu.conf
        echo 'export LIBGL_ALWAYS_SOFTWARE=1' >/etc/profile.d/live-env.sh
        ;;
    *NVIDIA*)
        if [ -e /usr/lib/xorg/modules/drivers/nvidia_drv.so ]; then
            { device intel modesetting ''; device nvidia nvidia ''; } >/etc/X11/xorg.conf.d/20-gpu.conf
        else
            device gpu modesetting '' >/etc/X11/xorg.conf.d/20-gpu.conf
        fi
        ;;
    *) device gpu modesetting '' >/etc/X11/xorg.conf.d/20-gpu.conf ;;
esac
`;

const NIX_SETUP = `# No build users exist here, so nothing can be built in a sandbox.
mkdir -p /etc/nix
cat >/etc/nix/nix.conf <<END
experimental-features = nix-command flakes
sandbox = false
auto-optimise-store = true
trusted-users = root $user
END
`;

/**
 * The lines of autologin are there as comments: the initrd's hook looks for them and takes the marks away. Void's lightdm
 * has no lightdm-session, and heeds neither greeter-env nor session-env.
 */
export const LIGHTDM = `[Seat:*]
#autologin-user=
#autologin-user-timeout=0
#autologin-session=
#user-session=
session-wrapper=/etc/lightdm/Xsession
greeter-session=lightdm-gtk-greeter
`;

/** Programs of the nix profile in a terminal's PATH. */
export const NIX_PROFILE = /* sh */ `# Programs of the image's nix store.
if [ -d "$HOME/.nix-profile/bin" ]; then
    PATH=$HOME/.nix-profile/bin:$PATH
    export PATH
fi
`;

/** Where the desktop finds what the nix profile has for its menus. */
export const environment = ({ user }: Desktop): string =>
  `XDG_DATA_DIRS=/home/${user}/.nix-profile/share:/usr/local/share:/usr/share\n`;
