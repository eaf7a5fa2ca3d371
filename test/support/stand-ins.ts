// Stand-ins for distributions whose packages cannot be had here: Debian's systemd and openssh with units of the same shape as
// theirs. They are written for the tests; nothing here is Arch's, Fedora's or CentOS's own.

/** Each is a directory to lay over a tree, and a hook for when openssh-server is installed. */
export const STAND_IN_NAMES = ["archlike", "rpmlike", "centoslike"] as const;

const UNITS = "usr/lib/systemd/system";
const TYPES = ["rsa", "ecdsa", "ed25519"];
const SYSCONFIG = "EnvironmentFile=-/etc/sysconfig/sshd\nRestart=on-failure\nRestartSec=42s\n";
/** A package's scriptlet makes one in the tree. */
const MACHINE_ID = 'rm -f etc/machine-id\nchroot "$1" systemd-machine-id-setup\n';

/** Where the server goes when it has no rights: theirs comes with the package, Debian's with the unit that is taken away. */
const EMPTY = "d /run/sshd 0755 root root\n";
/**
 * Makes a key of $type, as the helpers of Fedora and CentOS do. Where theirs has 0640 and a group ssh_keys, their server is
 * patched to take it; Debian's is not: it ignores such a key, and ends where it has no other.
 */
const KEYGEN = `key=/etc/ssh/ssh_host_\${type}_key
rm -f "$key" "$key.pub"
ssh-keygen -q -t "$type" -f "$key" -C "" -N ""
chmod 600 "$key"
`;

/** Their files, by name. */
export const STAND_INS: Readonly<Record<string, string>> = {
  // All keys at once, by one service.
  [`archlike/${UNITS}/sshd.service`]: sshd("sshdgenkeys.service", "RuntimeDirectory=sshd\n"),
  [`archlike/${UNITS}/sshdgenkeys.service`]: `[Unit]
Description=Host keys, as a stand-in for Arch makes them
${TYPES.map((type) => `ConditionPathExists=|!/etc/ssh/ssh_host_${type}_key\n`).join("")}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A
`,
  "archlike.sh": hook(MACHINE_ID),

  // Fedora's shape: a service for each type of key, brought along by a target.
  [`rpmlike/${UNITS}/sshd.service`]: sshd("sshd-keygen.target", SYSCONFIG, " $OPTIONS"),
  [`rpmlike/${UNITS}/sshd-keygen.target`]: `[Unit]
Description=Host keys, as a stand-in for Fedora makes them
PartOf=sshd.service
Wants=${TYPES.map((type) => `sshd-keygen@${type}.service`).join(" ")}
`,
  [`rpmlike/${UNITS}/sshd-keygen@.service`]: `[Unit]
Description=Host key of type %i
ConditionFileNotEmpty=|!/etc/ssh/ssh_host_%i_key

[Service]
Type=oneshot
EnvironmentFile=-/etc/sysconfig/sshd
ExecStart=/usr/libexec/openssh/sshd-keygen %i

[Install]
WantedBy=sshd-keygen.target
`,
  "rpmlike/usr/libexec/openssh/sshd-keygen": `#!/bin/sh -e
type=$1
${KEYGEN}`,
  "rpmlike/etc/sysconfig/sshd": "OPTIONS=\n",
  "rpmlike/usr/lib/systemd/system-preset/90-default.preset": "enable sshd.service\n",
  "rpmlike/usr/lib/tmpfiles.d/sshd.conf": EMPTY,
  "rpmlike.sh": hook(`chmod 755 usr/libexec/openssh/sshd-keygen\n${MACHINE_ID}`),

  // That of CentOS 7, which XCP-ng is made of: one service for all types, and settings that may name fewer.
  [`centoslike/${UNITS}/sshd.service`]: sshd("sshd-keygen.service", SYSCONFIG, " $OPTIONS"),
  [`centoslike/${UNITS}/sshd-keygen.service`]: `[Unit]
Description=Host keys, as a stand-in for CentOS 7 makes them
PartOf=sshd.service
${TYPES.map((type) => `ConditionFileNotEmpty=|!/etc/ssh/ssh_host_${type}_key\n`).join("")}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/sshd-keygen
`,
  "centoslike/usr/sbin/sshd-keygen": `#!/bin/sh -e
. /etc/sysconfig/sshd
for type in \${AUTOCREATE_SERVER_KEYS-${TYPES.join(" ")}}; do
    [ ! -s /etc/ssh/ssh_host_"$type"_key ] || continue
${KEYGEN}done
`,
  "centoslike/etc/sysconfig/sshd": "OPTIONS=\n",
  "centoslike/usr/lib/tmpfiles.d/sshd.conf": EMPTY,
  "centoslike.sh": hook(`chmod 755 usr/sbin/sshd-keygen\n${MACHINE_ID}`),
};

/** A server that wants and waits for what makes its keys. */
function sshd(keys: string, service: string, options = ""): string {
  return `[Unit]
Description=SSH server of a stand-in
Wants=${keys}
After=network.target ${keys}

[Service]
Type=notify
${service}ExecStart=/usr/sbin/sshd -D${options}
KillMode=process

[Install]
WantedBy=multi-user.target
`;
}

/**
 * Takes away what Debian starts the server by, then does `more`. Of its script systemd would make a second server that waits for no
 * keys: with it connections were closed after a reboot.
 */
function hook(more: string): string {
  return `cd "$1"
rm -f usr/lib/systemd/system/ssh.* usr/lib/systemd/system/ssh@.service usr/lib/systemd/system/*/ssh.service
rm -f etc/systemd/system/sshd.service etc/systemd/system/*/ssh.service etc/init.d/ssh etc/rc?.d/*ssh
${more}`;
}
