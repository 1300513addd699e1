from setuptools import find_packages, setup

NAME = "ur5_rl_env"

setup(
    name=NAME,
    version="0.1.0",
    description="Arm, camera and environment nodes; reward, kinematics, safety and episode logic",
    maintainer="ur5rl maintainers",
    maintainer_email="maintainers@ur5rl.invalid",
    license="Apache-2.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=True,
    entry_points={
        "console_scripts": [
            "arm_node = ur5_rl_env.nodes.arm_node:main",
            "camera_node = ur5_rl_env.nodes.camera_node:main",
            "env_node = ur5_rl_env.nodes.env_node:main",
        ]
    },
)
