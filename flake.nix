{
  description = "One Rust file becomes running services: the dyn command";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      manifest = nixpkgs.lib.importTOML ./Cargo.toml;
    in
    {
      packages = each (pkgs: {
        default = pkgs.rustPlatform.buildRustPackage {
          pname = "dyninka";
          version = manifest.workspace.package.version;
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          # Tests start engines and clusters: `tests/run`.
          doCheck = false;
          nativeBuildInputs = [ pkgs.makeWrapper ];
          # What it calls for every app, where the user has none of his own.
          postInstall = ''
            wrapProgram $out/bin/dyn --suffix PATH : ${pkgs.lib.makeBinPath [ pkgs.cargo pkgs.rustc pkgs.gcc ]}
          '';
          meta.mainProgram = "dyn";
        };
      });

      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [ pkgs.cargo pkgs.clippy pkgs.gcc pkgs.gdb pkgs.rust-analyzer pkgs.rustc pkgs.rustfmt ];
        };
      });
    };
}
