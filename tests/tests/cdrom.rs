//! Bootable CDs in the ATAPI drive.

use aero_tests::Bench;

fn cd(image: &str) -> String {
    format!(
        "[machine]\nmemory = \"256MiB\"\n[[device]]\ntype = \"ahci\"\n\
         drives = [{{ type = \"cd\", image = \"{image}\" }}]\n\
         [[device]]\ntype = \"vga\"\n[[device]]\ntype = \"ps2\"\n[[device]]\ntype = \"serial\"\n"
    )
}

#[test]
fn memtest86_starts_and_tests() {
    let ended =
        Bench::new().run(&cd("memtest.iso"), &["--until-screen", "Memtest86+", "--timeout", "200"]);
    ended.succeeded();
}

#[test]
fn the_grub_rescue_cd_comes_to_its_menu() {
    let ended = Bench::new()
        .run(&cd("grub-rescue.iso"), &["--until-screen", "GNU GRUB", "--timeout", "200"]);
    ended.succeeded();
}
